"""Tells screens what to load again: seldom, and soon enough.

A screen keeps what it has loaded. A caller that changes something triggers a refresh here.
Triggers for one channel that come within a short time go out as one ``cache_refresh``
event, by the rule in :mod:`notifications.refresh.batch`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable

from notifications.events.cache_refresh import AffectedData
from notifications.refresh.batch_store import BatchStore, MemoryBatches
from notifications.refresh.sender import Publish, RefreshSender
from notifications.refresh.stats import RefreshStats
from notifications.refresh.trigger import Priority, Trigger, checked_channels
from waiter_service.actors import MAIN_VENUE

logger = logging.getLogger(__name__)


class CacheRefreshService:
    """Joins triggers into batches and sends each batch once.

    ``publish`` is called with the channel of a session or a waiter, and its batch.
    ``batches`` holds what is pending; the default loses it with the process. ``clock``
    defaults to the store's. ``require_listeners`` raises if what is sent would reach no
    stream.

    The ``trigger_*`` methods address ``session_id``, ``waiter_id`` or both, in one venue.
    A venue's floor and kitchen are never addressed: their screens read each event.
    ``priority`` is ``high``, ``medium`` or ``low``; ``reason`` is a line of up to 500
    characters for people to read. They raise ``InvalidNotification``, which names the field, before
    anything is kept. With a shared store they may switch greenlets, and raise
    ``BrokerUnavailable`` if it cannot be reached; repeating the call then costs at most a
    second refresh.
    """

    def __init__(
        self,
        publish: Publish,
        *,
        batches: BatchStore | None = None,
        clock: Callable[[], float] | None = None,
        require_listeners: Callable[[], None] = lambda: None,
    ) -> None:
        self._batches: BatchStore = MemoryBatches() if batches is None else batches
        self._clock = self._batches.clock if clock is None else clock
        self._sender = RefreshSender(publish, self._batches, clock=self._clock)
        self._require_listeners = require_listeners
        self._triggers: Counter[Priority] = Counter()

    def trigger_requests_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        request_ids: Iterable[str] = (),
        reason: str | None = None,
        priority: str = Priority.HIGH,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have requests loaded again: ``request_ids``, or any if there are none."""
        self._trigger(
            checked_channels(venue_id, session_id=session_id, waiter_id=waiter_id),
            [AffectedData.REQUESTS],
            priority,
            reason,
            request_ids=request_ids,
        )

    def trigger_orders_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        order_ids: Iterable[str] = (),
        reason: str | None = None,
        priority: str = Priority.HIGH,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have orders loaded again: ``order_ids``, or any if there are none."""
        self._trigger(
            checked_channels(venue_id, session_id=session_id, waiter_id=waiter_id),
            [AffectedData.ORDERS],
            priority,
            reason,
            order_ids=order_ids,
        )

    def trigger_status_change_refresh(
        self,
        *,
        session_id: str,
        waiter_id: str,
        affected_data: Iterable[str],
        affected_ids: Iterable[str],
        reason: str | None = None,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have what changed loaded again (high), and the figures it counts in (medium).

        In one step: with a shared store, one round trip instead of four.
        """
        channels = checked_channels(venue_id, session_id=session_id, waiter_id=waiter_id)
        changed = Trigger.checked(
            affected_data, Priority.HIGH, reason=reason, affected_ids=affected_ids
        )
        figures = Trigger.checked([AffectedData.ANALYTICS], Priority.MEDIUM, reason=reason)
        self._add([(channel, trigger) for channel in channels for trigger in (changed, figures)])

    def trigger_session_transfer_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        previous_waiter_id: str | None = None,
        reason: str | None = None,
        priority: str = Priority.HIGH,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have a transferred session loaded again by its guest and both waiters.

        For the waiters this includes their analytics: an open session counts for the
        waiter who has it. Requests and orders are not named, since they have not changed;
        they move with their session.
        """
        waiters = checked_channels(
            venue_id, waiter_id=waiter_id, previous_waiter_id=previous_waiter_id, at_least=0
        )
        guests = checked_channels(venue_id, session_id=session_id, at_least=0 if waiters else 1)
        ids = () if session_id is None else (session_id,)
        floor = [AffectedData.SESSIONS, AffectedData.ANALYTICS]
        self._trigger(guests, [AffectedData.SESSIONS], priority, reason, session_id=ids)
        self._trigger(waiters, floor, priority, reason, session_id=ids)

    def trigger_session_analytics_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        reason: str | None = None,
        priority: str = Priority.MEDIUM,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have the figures about a session loaded again, by its guest and its waiter."""
        self._trigger(
            checked_channels(venue_id, session_id=session_id, waiter_id=waiter_id),
            [AffectedData.ANALYTICS],
            priority,
            reason,
        )

    def trigger_waiter_analytics_refresh(
        self,
        *,
        waiter_id: str,
        reason: str | None = None,
        priority: str = Priority.MEDIUM,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have the figures about a waiter loaded again, by that waiter."""
        self._trigger(
            checked_channels(venue_id, waiter_id=waiter_id),
            [AffectedData.ANALYTICS],
            priority,
            reason,
        )

    def trigger_reviews_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        review_ids: Iterable[str] = (),
        reason: str | None = None,
        priority: str = Priority.LOW,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have reviews loaded again: ``review_ids``, or any if there are none."""
        self._trigger(
            checked_channels(venue_id, session_id=session_id, waiter_id=waiter_id),
            [AffectedData.REVIEWS],
            priority,
            reason,
            review_ids=review_ids,
        )

    def trigger_general_data_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        affected_data: Iterable[str] = (AffectedData.ALL,),
        affected_ids: Iterable[str] = (),
        reason: str | None = None,
        priority: str = Priority.LOW,
        venue_id: str = MAIN_VENUE,
    ) -> None:
        """Have ``affected_data`` loaded again, by default everything."""
        self._trigger(
            checked_channels(venue_id, session_id=session_id, waiter_id=waiter_id),
            affected_data,
            priority,
            reason,
            affected_ids=affected_ids,
        )

    def force_immediate_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        affected_data: Iterable[str] | None = None,
        affected_ids: Iterable[str] = (),
        reason: str | None = None,
        venue_id: str = MAIN_VENUE,
    ) -> int:
        """Send what is pending for these channels now; return how many events went out.

        Without an id, everything that is pending is sent. With ``affected_data``, each
        channel gets an event even if nothing is pending: that data, joined with what is.
        An event that cannot be published is not counted, and is retried like any other.
        May switch greenlets.

        Raises:
            InvalidNotification: a field is wrong, or ``affected_data`` comes without a channel.
        """
        required = 0 if affected_data is None else 1
        channels = checked_channels(
            venue_id, session_id=session_id, waiter_id=waiter_id, at_least=required
        )
        if affected_data is not None:
            high = Priority.HIGH
            self._trigger(channels, affected_data, high, reason, affected_ids=affected_ids)
        if not channels:
            return self._sender.send_all()
        return sum(self._sender.send_channel(channel, self._clock()) for channel in channels)

    def refresh_stats(self, *, count_pending: bool = True) -> RefreshStats:
        """Return the figures; never raises. May switch greenlets with a shared store.

        Without ``count_pending`` the store is not asked, no greenlet switches, and
        ``pending`` is None.
        """
        pending: int | None = None
        try:
            if count_pending:
                pending = self._batches.pending()
        except Exception as error:  # noqa: BLE001 - health must answer even then
            logger.warning(
                "pending refreshes cannot be counted", extra={"fields": {"error": str(error)}}
            )
        return RefreshStats(
            pending=pending,
            triggers=Counter(self._triggers),
            sent=Counter(self._sender.sent),
            failures=self._sender.failures,
        )

    def send_due(self, now: float) -> int:
        """Send what is due at ``now``, in seconds of the clock; return how many events went out.

        One step of the greenlet, for tests and for programs with a loop of their own. A
        batch that cannot be published is kept, and due again after 0.5 s, then 1, 2 ... up
        to 10 s. May switch greenlets.
        """
        return self._sender.send_due(now)

    def start(self) -> None:
        """Start the one greenlet that sends what is due. Until then, triggers only collect."""
        self._sender.start()

    def stop(self) -> None:
        """End the greenlet, waiting up to 5 s for it; what is pending stays in the store."""
        self._sender.stop()

    def drain(self, *, timeout_seconds: float = 5.0) -> int:
        """End the greenlet and send all that is pending, due or not; return how many went out.

        Call it at the end of the process, when no more triggers come. What cannot be sent
        is logged and stays in the store, where other workers that share it find it. Their
        batches in a shared store go out early, too. Never raises. Switches greenlets.
        """
        self.stop()
        try:
            return self._sender.send_all(timeout_seconds=timeout_seconds)
        except Exception:
            logger.exception("pending refreshes could not be sent while draining")
            return 0

    def _trigger(
        self,
        channels: Iterable[str],
        affected_data: Iterable[str],
        priority: str,
        reason: str | None,
        **affected_ids: Iterable[str],
    ) -> None:
        """Add one trigger for each channel; ``affected_ids`` has the caller's name for it."""
        trigger = Trigger.checked(affected_data, priority, reason=reason, **affected_ids)
        self._add([(channel, trigger) for channel in channels])

    def _add(self, additions: list[tuple[str, Trigger]]) -> None:
        if additions:
            self._require_listeners()
            due_at = self._batches.add_all(additions, self._clock())
            self._triggers.update(trigger.priority for _, trigger in additions)
            self._sender.expect(due_at, (channel for channel, _ in additions))
