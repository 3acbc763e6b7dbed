"""Tells screens what to load again: seldom, and soon enough.

A screen keeps what it has loaded. Whoever changes something says so here;
what is said about one channel within a short while goes out as one
``cache_refresh`` event, by the rule in :mod:`notifications.refresh.batch`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable

from notifications.errors import InvalidNotification
from notifications.events.cache_refresh import AffectedData
from notifications.refresh.batch_store import BatchStore, MemoryBatches
from notifications.refresh.sender import Publish, RefreshSender
from notifications.refresh.stats import RefreshStats
from notifications.refresh.trigger import Priority, Trigger, checked_channel

logger = logging.getLogger(__name__)

_STOP_TIMEOUT_SECONDS = 5.0


class CacheRefreshService:
    """Joins triggers into batches and sends each batch once.

    ``publish`` is called with a channel (``session:<id>`` or ``waiter:<id>``)
    and its batch. ``batches`` holds what is pending; the default forgets with
    the process. ``clock`` defaults to the one the store goes by.
    ``require_listeners`` raises where what is sent would reach no stream.

    The ``trigger_*`` methods address whichever of ``session_id`` and
    ``waiter_id`` is given, at least one. ``priority`` is ``high``, ``medium``
    or ``low``; ``reason`` is a line of up to 500 characters for people to
    read. They raise ``InvalidNotification`` naming the field before anything is
    kept. With a shared store they may switch greenlets, and raise the store's
    error when it cannot be reached; repeating the call then costs at most a
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
    ) -> None:
        """Have requests loaded again: ``request_ids``, or any if there are none."""
        self._trigger(
            _channels(session_id=session_id, waiter_id=waiter_id),
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
    ) -> None:
        """Have orders loaded again: ``order_ids``, or any if there are none."""
        self._trigger(
            _channels(session_id=session_id, waiter_id=waiter_id),
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
    ) -> None:
        """Have what changed loaded again (high), and the figures it counts in (medium).

        In one step: with a shared store, one round trip instead of four.
        """
        channels = _channels(session_id=session_id, waiter_id=waiter_id)
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
    ) -> None:
        """Have a transferred session loaded again by its guest and both waiters.

        For the waiters this includes their analytics: an open session counts
        for whoever holds it. Requests and orders are not named, since they
        have not changed; they come and go with their session.
        """
        waiters = _channels(waiter_id=waiter_id, previous_waiter_id=previous_waiter_id, at_least=0)
        guests = _channels(session_id=session_id, at_least=0 if waiters else 1)
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
    ) -> None:
        """Have the figures about a session loaded again, by its guest and its waiter."""
        self._trigger(
            _channels(session_id=session_id, waiter_id=waiter_id),
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
    ) -> None:
        """Have the figures about a waiter loaded again, by that waiter."""
        self._trigger(_channels(waiter_id=waiter_id), [AffectedData.ANALYTICS], priority, reason)

    def trigger_reviews_refresh(
        self,
        *,
        session_id: str | None = None,
        waiter_id: str | None = None,
        review_ids: Iterable[str] = (),
        reason: str | None = None,
        priority: str = Priority.LOW,
    ) -> None:
        """Have reviews loaded again: ``review_ids``, or any if there are none."""
        self._trigger(
            _channels(session_id=session_id, waiter_id=waiter_id),
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
    ) -> None:
        """Have ``affected_data`` loaded again, by default everything."""
        self._trigger(
            _channels(session_id=session_id, waiter_id=waiter_id),
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
    ) -> int:
        """Send what is pending for these channels now; return how many events went out.

        With neither id, whatever is pending for anyone is sent. With
        ``affected_data``, each channel given gets an event for certain: that,
        joined with what is pending. An event that cannot be published is not
        counted, and retried like any other. May switch greenlets.

        Raises:
            InvalidNotification: a field is wrong, or ``affected_data`` is for nobody.
        """
        required = 0 if affected_data is None else 1
        channels = _channels(session_id=session_id, waiter_id=waiter_id, at_least=required)
        if affected_data is not None:
            high = Priority.HIGH
            self._trigger(channels, affected_data, high, reason, affected_ids=affected_ids)
        if not channels:
            return self._sender.send_all()
        return sum(self._sender.send_channel(channel, self._clock()) for channel in channels)

    def refresh_stats(self, *, count_pending: bool = True) -> RefreshStats:
        """Return the figures; never raises. May switch greenlets with a shared store.

        Without ``count_pending`` the store is not asked, nothing switches, and
        ``pending`` is None.
        """
        pending: int | None = None
        try:
            if count_pending:
                pending = self._batches.pending()
        except Exception as error:  # noqa: BLE001 - health must answer all the more
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

        The greenlet's one step, for tests and for those who bring their own
        loop. A batch that cannot be published is kept, and due again after
        0.5 s, then 1, 2 ... up to 10 s. May switch greenlets.
        """
        return self._sender.send_due(now)

    def start(self) -> None:
        """Start the one greenlet that sends what is due. Until then, triggers just collect."""
        self._sender.start()

    def stop(self) -> None:
        """End the greenlet, waiting up to 5 s for it; what is pending stays in the store."""
        self._sender.stop(timeout_seconds=_STOP_TIMEOUT_SECONDS)

    def drain(self, *, timeout_seconds: float = 5.0) -> int:
        """End the greenlet and send all that is pending, due or not; return how many went out.

        For the end of the process; call it when no more triggers come. What
        cannot be sent is logged and left: to the other workers if they share
        the store. From a shared store their batches go out early, too.
        Never raises. Switches greenlets.
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
        """Add one trigger for each channel; ``affected_ids`` goes by its caller's name for it."""
        trigger = Trigger.checked(affected_data, priority, reason=reason, **affected_ids)
        self._add([(channel, trigger) for channel in channels])

    def _add(self, additions: list[tuple[str, Trigger]]) -> None:
        if additions:
            self._require_listeners()
            due_at = self._batches.add_all(additions, self._clock())
            self._triggers.update(trigger.priority for _, trigger in additions)
            self._sender.expect(due_at)


def _channels(*, at_least: int = 1, **ids: str | None) -> list[str]:
    """Return a channel, once, for each id given; the fields are named for the ids."""
    given = {name: value for name, value in ids.items() if value is not None}
    if len(given) < at_least:
        raise InvalidNotification(" or ".join(ids), "must be given")
    kinds = {name: name.removeprefix("previous_").removesuffix("_id") for name in given}
    return list(
        dict.fromkeys(checked_channel(kinds[name], name, value) for name, value in given.items())
    )
