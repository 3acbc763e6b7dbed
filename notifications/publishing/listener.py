"""Turns the waiter service's signals into notifications and refreshes."""

from __future__ import annotations

from typing import Any

import gevent
from gevent.lock import RLock

from notifications.errors import ChangeUnheard
from notifications.events.cache_refresh import AffectedData
from notifications.events.handover_offered import HandoverOffered
from notifications.events.handover_settled import HandoverSettled
from notifications.events.order_update import OrderUpdate
from notifications.events.request_update import RequestUpdate
from notifications.events.session_transfer import SessionTransfer
from notifications.events.session_update import SessionNews, SessionUpdate
from notifications.events.shift_update import ShiftUpdate
from notifications.publishing.notification_service import NotificationService
from notifications.refresh.service import CacheRefreshService
from waiter_service import changes, signals
from waiter_service.pacing import PAUSE_SECONDS
from waiter_service.statuses import Status


class FloorListener:
    """Receives each change on the floor, and notifies the people it concerns.

    If a receiver raises an exception, the change stays in the outbox and is announced again.
    That is harmless: the change's id is the key, so its event is sent once, and a refresh that
    is triggered twice is joined into one.

    After each change it pauses, so that the loop checks its sockets and timers. A flush
    announces a whole backlog at once, and SQLite switches greenlets only where it has to
    wait: without the pauses, streams and health checks would stand still until the last
    change.

    Raises:
        ChangeUnheard: a kind of change has no receiver here. Its rows, and all later ones of
            the same session, would stay in the outbox forever.
    """

    def __init__(
        self, notifications: NotificationService, cache_refresh: CacheRefreshService
    ) -> None:
        self._notifications = notifications
        self._cache_refresh = cache_refresh
        # By waiter: the transfer that triggered all refreshes now pending for the waiter.
        self._transfers: dict[str, str] = {}
        # With Redis the tables of one transfer are announced side by side.
        self._transfer_lock = RLock()
        self._receivers = (
            (signals.request_status_changed, self._on_request_status_changed),
            (signals.order_status_changed, self._on_order_status_changed),
            (signals.session_transferred, self._on_session_transferred),
            (signals.session_opened, self._on_session_opened),
            (signals.session_closed, self._on_session_closed),
            (signals.session_reopened, self._on_session_reopened),
            (signals.session_moved, self._on_session_moved),
            (signals.shift_changed, self._on_shift_changed),
            (signals.handover_offered, self._on_handover_offered),
            (signals.handover_settled, self._on_handover_settled),
        )
        heard = [signal for signal, _ in self._receivers]
        if unheard := [kind for kind, each in signals.BY_KIND.items() if each not in heard]:
            raise ChangeUnheard(unheard)

    def connect(self) -> None:
        """Receive the signals from now on. Idempotent."""
        for signal, receiver in self._receivers:
            signal.connect(receiver)

    def disconnect(self) -> None:
        """Stop receiving the signals. Idempotent."""
        for signal, receiver in self._receivers:
            signal.disconnect(receiver)

    def _on_request_status_changed(
        self, _sender: object, *, change: changes.RequestStatusChange
    ) -> None:
        update = RequestUpdate.told(
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            request_id=change.request_id,
            table_number=change.table_number,
            status=change.new,
            previous_status=change.old,
            version=change.version,
            timestamp=change.occurred_at,
        )
        self._notifications.notify(update, venue_id=change.venue_id, key=change.id)
        self._cache_refresh.trigger_status_change_refresh(
            venue_id=change.venue_id,
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            affected_data=[AffectedData.REQUESTS],
            affected_ids=[change.request_id],
            reason=_reason("Request", change.request_id, change.new),
        )
        self._finish(change)

    def _on_order_status_changed(
        self, _sender: object, *, change: changes.OrderStatusChange
    ) -> None:
        update = OrderUpdate.told(
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            order_id=change.order_id,
            table_number=change.table_number,
            status=change.new,
            previous_status=change.old,
            item_count=change.item_count,
            version=change.version,
            timestamp=change.occurred_at,
        )
        self._notifications.notify(update, venue_id=change.venue_id, key=change.id)
        self._cache_refresh.trigger_status_change_refresh(
            venue_id=change.venue_id,
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            affected_data=[AffectedData.ORDERS],
            affected_ids=[change.order_id],
            reason=_reason("Order", change.order_id, change.new),
        )
        self._finish(change)

    def _on_session_transferred(self, _sender: object, *, change: changes.SessionTransfer) -> None:
        # Refreshes pending for the previous waiter may name this session, so they are
        # sent while the session is still theirs. Refreshes that the same transfer has
        # triggered, at its other tables, may wait.
        waiter_id, transfer_id = change.previous_waiter_id, change.transfer_id or change.id
        with self._transfer_lock:
            if self._transfers.get(waiter_id) != transfer_id:
                # Set first: a refresh triggered while this one is sent must be sent as well.
                self._transfers[waiter_id] = transfer_id
                try:
                    self._cache_refresh.force_immediate_refresh(
                        venue_id=change.venue_id, waiter_id=waiter_id
                    )
                except BaseException:
                    self._transfers.pop(waiter_id, None)
                    raise
        transfer = SessionTransfer.told(
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            previous_waiter_id=change.previous_waiter_id,
            table_number=change.table_number,
            cause=change.cause,
            version=change.version,
            timestamp=change.occurred_at,
        )
        self._notifications.notify(transfer, venue_id=change.venue_id, key=change.id)
        self._cache_refresh.trigger_session_transfer_refresh(
            venue_id=change.venue_id,
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            previous_waiter_id=change.previous_waiter_id,
            reason=f"Session {change.session_id} went over to another waiter",
        )
        self._finish(change)

    def _on_session_opened(self, _sender: object, *, change: changes.SessionOpened) -> None:
        self._tell_floor(change, SessionNews.OPENED)
        self._refresh_floor(change, f"Session {change.session_id} was opened")
        self._finish(change)

    def _on_session_closed(self, _sender: object, *, change: changes.SessionClosed) -> None:
        self._tell_floor(change, SessionNews.CLOSED)
        self._refresh_floor(change, f"Session {change.session_id} was closed")
        self._cache_refresh.force_immediate_refresh(
            venue_id=change.venue_id, session_id=change.session_id
        )
        self._finish(change)

    def _on_session_reopened(self, _sender: object, *, change: changes.SessionReopened) -> None:
        self._tell_floor(change, SessionNews.REOPENED)
        self._refresh_floor(change, f"Session {change.session_id} was reopened")
        self._finish(change)

    def _on_session_moved(self, _sender: object, *, change: changes.SessionMoved) -> None:
        self._tell_floor(change, SessionNews.MOVED)
        self._cache_refresh.trigger_general_data_refresh(
            venue_id=change.venue_id,
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            affected_data=["sessions"],
            affected_ids=[change.session_id],
            reason=f"Session {change.session_id} moved to table {change.table_number}",
            priority="high",
        )
        self._finish(change)

    def _on_shift_changed(self, _sender: object, *, change: changes.ShiftChange) -> None:
        update = ShiftUpdate.told(
            waiter_id=change.waiter_id,
            on_shift=change.is_on_shift,
            timestamp=change.occurred_at,
        )
        self._notifications.notify(update, venue_id=change.venue_id, key=change.id)
        what = "started" if change.is_on_shift else "ended"
        self._refresh_waiter(
            change, change.waiter_id, f"The shift of {change.waiter_id} has {what}"
        )
        gevent.sleep(PAUSE_SECONDS)

    def _on_handover_offered(self, _sender: object, *, change: changes.HandoverOffered) -> None:
        offered = HandoverOffered.told(**_facts_of(change))
        self._notifications.notify(offered, venue_id=change.venue_id, key=change.id)
        for waiter_id in (change.from_waiter_id, change.to_waiter_id):
            self._refresh_waiter(change, waiter_id, f"Offer {change.offer_id} was made")
        gevent.sleep(PAUSE_SECONDS)

    def _on_handover_settled(self, _sender: object, *, change: changes.HandoverSettled) -> None:
        settled = HandoverSettled.told(outcome=change.outcome, **_facts_of(change))
        self._notifications.notify(settled, venue_id=change.venue_id, key=change.id)
        for waiter_id in (change.from_waiter_id, change.to_waiter_id):
            self._refresh_waiter(change, waiter_id, f"Offer {change.offer_id}: {change.outcome}")
        gevent.sleep(PAUSE_SECONDS)

    def _tell_floor(self, change: changes.SessionChange, news: SessionNews) -> None:
        update = SessionUpdate.told(
            session_id=change.session_id,
            waiter_id=change.waiter_id,
            table_number=change.table_number,
            change=news,
            version=change.version,
            timestamp=change.occurred_at,
        )
        self._notifications.notify(update, venue_id=change.venue_id, key=change.id)

    def _finish(self, change: changes.SessionChange) -> None:
        """Note that more is pending for the session's waiter, and pause."""
        self._transfers.pop(change.waiter_id, None)
        gevent.sleep(PAUSE_SECONDS)

    def _refresh_waiter(self, change: changes.Change, waiter_id: str, reason: str) -> None:
        # Names no session, so a transfer need not send it while they are still the waiter's.
        self._cache_refresh.trigger_general_data_refresh(
            venue_id=change.venue_id,
            waiter_id=waiter_id,
            affected_data=["sessions"],
            reason=reason,
            priority="high",
        )

    def _refresh_floor(self, change: changes.SessionChange, reason: str) -> None:
        self._cache_refresh.trigger_general_data_refresh(
            venue_id=change.venue_id,
            waiter_id=change.waiter_id,
            affected_data=["sessions", "analytics"],
            affected_ids=[change.session_id],
            reason=reason,
            priority="high",
        )


def _facts_of(change: changes.OfferChange) -> dict[str, Any]:
    return {
        "offer_id": change.offer_id,
        "from_waiter_id": change.from_waiter_id,
        "to_waiter_id": change.to_waiter_id,
        "session_ids": change.session_ids,
        "expires_at": change.expires_at,
        "timestamp": change.occurred_at,
    }


def _reason(thing: str, thing_id: str, status: Status) -> str:
    """Return ``Request req-789 status changed to completed``."""
    return f"{thing} {thing_id} status changed to {status.label.lower()}"
