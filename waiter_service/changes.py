"""The changes that the signals carry: frozen facts.

A change holds everything a receiver needs, as it was at the moment of the
change: who held the table then, which version was reached. Receivers
need not read the database, where they might find a later state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from waiter_service.actors import MAIN_VENUE, Actor, ActorKind
from waiter_service.errors import ValidationError
from waiter_service.offer_outcome import OfferOutcome
from waiter_service.statuses import OrderStatus, RequestStatus, Status
from waiter_service.transfer_cause import TransferCause


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The fields that all changes have.

    ``id`` is the idempotency key: unique forever, and the same when a change
    is announced again after a crash. ``version`` is the version that the changed thing
    reached. ``occurred_at`` is aware, in UTC. ``venue_id`` is missing in outbox rows of
    older releases, which had one venue.
    """

    KIND: ClassVar[str]

    id: str
    venue_id: str = MAIN_VENUE
    version: int
    actor: Actor
    reason: str | None = None
    occurred_at: datetime

    @property
    def subject_id(self) -> str:
        """The id of the row that was locked for the change.

        Changes of one subject are announced in order.
        """
        raise NotImplementedError

    @property
    def session_or_none(self) -> str | None:
        """The session that the change is about, if it is about one."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChange(Change):
    """A change in one session, which ``waiter_id`` held right after it."""

    session_id: str
    waiter_id: str
    table_number: int

    @property
    def subject_id(self) -> str:
        return self.session_id

    @property
    def session_or_none(self) -> str | None:
        return self.session_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStatusChange(SessionChange):
    """A request was made (``old`` is ``None``) or moved to another status."""

    KIND: ClassVar[str] = "request_status"

    request_id: str
    old: RequestStatus | None
    new: RequestStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatusChange(SessionChange):
    """An order was placed (``old`` is ``None``) or moved to another status.

    ``item_count`` is the sum of the quantities.
    """

    KIND: ClassVar[str] = "order_status"

    order_id: str
    item_count: int
    old: OrderStatus | None
    new: OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTransfer(SessionChange):
    """A session went from ``previous_waiter_id`` to ``waiter_id``.

    ``transfer_id`` is the same for all sessions of one transfer, and empty in outbox rows of
    older releases. ``cause`` is for guests to read, ``reason`` for staff only.
    """

    KIND: ClassVar[str] = "session_transfer"

    previous_waiter_id: str
    transfer_id: str = ""
    cause: TransferCause = TransferCause.SHIFT_CHANGE


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOpened(SessionChange):
    """Guests sat down."""

    KIND: ClassVar[str] = "session_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionClosed(SessionChange):
    """The guests left. No new requests or orders can be made in this session."""

    KIND: ClassVar[str] = "session_closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReopened(SessionChange):
    """A session that was closed by mistake is open again."""

    KIND: ClassVar[str] = "session_reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMoved(SessionChange):
    """The guests changed tables, from ``previous_table_number`` to ``table_number``."""

    KIND: ClassVar[str] = "session_moved"

    previous_table_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftChange(Change):
    """A waiter's shift started or ended. ``version`` is the waiter's."""

    KIND: ClassVar[str] = "shift"

    waiter_id: str
    is_on_shift: bool

    @property
    def subject_id(self) -> str:
        return self.waiter_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferChange(Change):
    """A change of an offer to hand sessions over. ``version`` is the offer's."""

    offer_id: str
    from_waiter_id: str
    to_waiter_id: str
    session_ids: tuple[str, ...]
    expires_at: datetime

    @property
    def subject_id(self) -> str:
        return self.offer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverOffered(OfferChange):
    """A waiter was offered sessions. None of them has moved."""

    KIND: ClassVar[str] = "handover_offered"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverSettled(OfferChange):
    """An offer ended.

    If it was accepted, each session has a ``SessionTransfer`` of the same commit.
    """

    KIND: ClassVar[str] = "handover_settled"

    outcome: OfferOutcome


#: Each type, by its ``KIND``, which its rows in the outbox carry.
TYPES: Mapping[str, type[Change]] = {
    kind.KIND: kind
    for kind in (
        RequestStatusChange,
        OrderStatusChange,
        SessionTransfer,
        SessionOpened,
        SessionClosed,
        SessionReopened,
        SessionMoved,
        ShiftChange,
        HandoverOffered,
        HandoverSettled,
    )
}


def to_payload(change: Change) -> dict[str, Any]:
    """Return ``change`` as plain JSON values; ``from_payload`` turns it back."""
    payload: dict[str, Any] = {}
    for field in fields(change):
        value = getattr(change, field.name)
        if isinstance(value, Actor):
            value = {"kind": value.kind.value, "id": value.id}
        elif isinstance(value, datetime):
            value = value.isoformat()
        elif isinstance(value, StrEnum):
            value = value.value
        elif isinstance(value, tuple):
            value = list(value)
        payload[field.name] = value
    return payload


def from_payload(kind: str, payload: Mapping[str, Any]) -> Change:
    """Return the change that ``to_payload`` wrote.

    During a rolling deploy the row may come from a newer or an older process.
    Unknown fields are ignored, an unknown cause becomes ``OTHER``, and a
    transfer without a cause is a shift change.

    Raises:
        LookupError, TypeError, ValueError: the row was not written by ``to_payload``.
    """
    change_type = TYPES[kind]
    known = {field.name for field in fields(change_type)}
    values: dict[str, Any] = {key: value for key, value in payload.items() if key in known}
    values["actor"] = Actor(ActorKind(payload["actor"]["kind"]), payload["actor"]["id"])
    values["occurred_at"] = datetime.fromisoformat(payload["occurred_at"])
    if change_type in _STATUSES:
        status_type = _STATUSES[change_type]
        old = payload["old"]
        values["old"] = None if old is None else status_type(old)
        values["new"] = status_type(payload["new"])
    if issubclass(change_type, OfferChange):
        values["session_ids"] = tuple(payload["session_ids"])
        values["expires_at"] = datetime.fromisoformat(payload["expires_at"])
    if change_type is HandoverSettled:
        values["outcome"] = OfferOutcome(payload["outcome"])
    if change_type is SessionTransfer and "cause" in values:
        values["cause"] = _cause(values["cause"])
    return change_type(**values)


def _cause(spelled: object) -> TransferCause:
    try:
        return TransferCause.parse(spelled)
    except ValidationError:
        return TransferCause.OTHER


_STATUSES: Mapping[type[Change], type[Status]] = {
    RequestStatusChange: RequestStatus,
    OrderStatusChange: OrderStatus,
}
