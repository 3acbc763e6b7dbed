"""Validates events, words them, and sends them to their audience."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pydantic

from notifications.brokers.base import Broker
from notifications.errors import InvalidNotification
from notifications.events.cache_refresh import AffectedData, CacheRefresh
from notifications.events.encoding import body
from notifications.events.floor_event import FloorEvent
from notifications.events.order_update import OrderUpdate
from notifications.events.payload import PublishedEvent
from notifications.events.request_update import RequestUpdate
from notifications.events.session_transfer import SessionTransfer
from notifications.refresh.batch import Batch
from notifications.refresh.trigger import Priority, Trigger, checked_channels, checked_id
from waiter_service.actors import MAIN_VENUE
from waiter_service.errors import UnknownStatus, ValidationError
from waiter_service.statuses import OrderStatus, RequestStatus, Status
from waiter_service.transfer_cause import TransferCause

log = logging.getLogger("notifications.events")

#: Characters of a key; brokers accept no more.
MAX_KEY_CHARS = 80

_NO_REASON = "Data has changed"

#: Fields of events that have another name in the callers' arguments.
_CALLERS_NAMES = {"timestamp": "occurred_at"}

S = TypeVar("S", bound=Status)


def _now() -> datetime:
    return datetime.now(UTC)


class NotificationService:
    """Tells guests, waiters, the floor and the kitchen what happened.

    The ``notify_*`` functions need no database and can be called by hand. Each sends one
    event to its audience. It raises ``InvalidNotification``, which names the field, before
    anything is sent. With a broker that may block, the functions may switch greenlets and
    raise ``BrokerUnavailable``.

    ``key``, of up to 80 characters, makes a repeated call harmless: calls with the same key
    send one event. Without a key each call sends an event of its own. ``occurred_at`` must
    be aware; it is the current time by default. ``venue_id`` is where the session is.
    """

    def __init__(self, broker: Broker, *, clock: Callable[[], datetime] = _now) -> None:
        #: Events sent since the process started, by type. A repeated call counts again.
        self.published: Counter[str] = Counter()
        self._broker = broker
        self._clock = clock

    def notify(self, event: FloorEvent, *, venue_id: str, key: str | None = None) -> None:
        """Send ``event`` to its audience in the venue where it happened.

        The functions below make events from callers' values.
        """
        self._publish(event, event.audience(venue_id), key)

    def notify_request_update(
        self,
        *,
        session_id: str,
        waiter_id: str,
        request_id: str,
        table_number: int,
        status: RequestStatus | str,
        previous_status: RequestStatus | str | None = None,
        version: int | None = None,
        occurred_at: datetime | None = None,
        venue_id: str = MAIN_VENUE,
        key: str | None = None,
    ) -> None:
        """Tell guest and waiter the new status of a request."""
        self._send(
            RequestUpdate.told,
            venue_id,
            key,
            session_id=session_id,
            waiter_id=waiter_id,
            request_id=request_id,
            table_number=table_number,
            status=_parse_status(RequestStatus, "status", status),
            previous_status=_parse_previous(RequestStatus, previous_status),
            timestamp=occurred_at or self._clock(),
            version=version,
        )

    def notify_order_update(
        self,
        *,
        session_id: str,
        waiter_id: str,
        order_id: str,
        table_number: int,
        status: OrderStatus | str,
        previous_status: OrderStatus | str | None = None,
        item_count: int | None = None,
        version: int | None = None,
        occurred_at: datetime | None = None,
        venue_id: str = MAIN_VENUE,
        key: str | None = None,
    ) -> None:
        """Tell guest and waiter the new status of an order; ``item_count`` is for the sentence."""
        if item_count is not None and (type(item_count) is not int or item_count < 0):
            raise InvalidNotification("item_count", "must be a whole number of 0 or more")
        self._send(
            OrderUpdate.told,
            venue_id,
            key,
            session_id=session_id,
            waiter_id=waiter_id,
            order_id=order_id,
            table_number=table_number,
            status=_parse_status(OrderStatus, "status", status),
            previous_status=_parse_previous(OrderStatus, previous_status),
            item_count=item_count,
            timestamp=occurred_at or self._clock(),
            version=version,
        )

    def notify_session_transfer(
        self,
        *,
        session_id: str,
        waiter_id: str,
        previous_waiter_id: str,
        table_number: int,
        cause: TransferCause | str = TransferCause.SHIFT_CHANGE,
        version: int | None = None,
        occurred_at: datetime | None = None,
        venue_id: str = MAIN_VENUE,
        key: str | None = None,
    ) -> None:
        """Tell guest, new and previous waiter that a session was transferred.

        ``cause`` is for the sentence: shift_change, break, section_change, workload or other.
        """
        self._send(
            SessionTransfer.told,
            venue_id,
            key,
            session_id=session_id,
            waiter_id=waiter_id,
            previous_waiter_id=previous_waiter_id,
            table_number=table_number,
            cause=_parse_cause(cause),
            timestamp=occurred_at or self._clock(),
            version=version,
        )

    def notify_cache_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        affected_data: Iterable[str],
        affected_ids: Iterable[str] = (),
        reason: str | None = None,
        venue_id: str = MAIN_VENUE,
        key: str | None = None,
    ) -> None:
        """Tell a session and/or a waiter, at once, to load ``affected_data`` again.

        For refreshes that may wait, use ``CacheRefreshService``, which joins triggers.
        """
        channels = checked_channels(venue_id, session_id=session_id, waiter_id=waiter_id)
        refresh = Trigger.checked(
            affected_data, Priority.HIGH, reason=reason, affected_ids=affected_ids
        )
        self._publish_refresh(
            tuple(channels), refresh.affected_data, refresh.affected_ids, refresh.reason, key
        )

    def publish_refresh(self, channel: str, batch: Batch) -> None:
        """Send one batch of refreshes. Its id is the key."""
        self._publish_refresh(
            (channel,), batch.affected_data, batch.affected_ids, batch.reason, f"refresh:{batch.id}"
        )

    def _publish_refresh(
        self,
        channels: tuple[str, ...],
        affected_data: tuple[AffectedData, ...],
        affected_ids: tuple[str, ...],
        reason: str | None,
        key: str | None,
    ) -> None:
        refresh = CacheRefresh.told(
            affected_data=affected_data,
            affected_ids=affected_ids,
            reasons=[reason or _NO_REASON],
            timestamp=self._clock(),
        )
        self._publish(refresh, channels, key)

    def _send(
        self, told: Callable[..., FloorEvent], venue_id: str, key: str | None, **facts: Any
    ) -> None:
        checked_id("venue_id", venue_id)
        try:
            event = told(**facts)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            field = str(first["loc"][0])
            raise InvalidNotification(_CALLERS_NAMES.get(field, field), first["msg"]) from None
        self.notify(event, venue_id=venue_id, key=key)

    def _publish(self, event: PublishedEvent, channels: tuple[str, ...], key: str | None) -> None:
        if key is None:
            key = uuid.uuid4().hex
        elif type(key) is not str or not 0 < len(key) <= MAX_KEY_CHARS:
            raise InvalidNotification("key", f"must be text of 1 to {MAX_KEY_CHARS} characters")
        self._broker.publish(channels, body(event), key=key)
        self.published[event.event_type] += 1
        log.info(
            "event emitted",
            extra={"fields": {"event": event.event_type, "channels": " ".join(channels)}},
        )


def _parse_status(kind: type[S], field: str, value: object) -> S:
    try:
        return kind.parse(value)
    except UnknownStatus as error:
        raise InvalidNotification(field, error.message) from None


def _parse_cause(value: object) -> TransferCause:
    try:
        return TransferCause.parse(value)
    except ValidationError as error:
        raise InvalidNotification("cause", error.message) from None


def _parse_previous(kind: type[S], value: object) -> S | None:
    return None if value is None else _parse_status(kind, "previous_status", value)
