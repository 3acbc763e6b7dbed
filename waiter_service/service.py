"""The functions that change something on the floor."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from waiter_service.actors import SYSTEM, Actor
from waiter_service.changes import Change
from waiter_service.clock import Clock, utc_now
from waiter_service.errors import ValidationError
from waiter_service.floor import orders, requests, sessions, transfers, waiters
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.inputs import OrderItem
from waiter_service.outbox.announcer import Announcer
from waiter_service.outbox.outbox import Outbox, SideBySide
from waiter_service.rules import DEFAULT_RULES, HouseRules
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.store.database import Database
from waiter_service.store.database_url import url_from
from waiter_service.transfer_cause import TransferCause
from waiter_service.views import (
    OrderUpdate,
    OrderView,
    RequestCreated,
    RequestUpdate,
    SessionUpdate,
    SessionView,
    TransferResult,
    WaiterAdded,
)

log = logging.getLogger(__name__)


class WaiterService:
    """What waiters, guests and other systems do on the floor.

    Every function is one transaction: the change, its audit row and its
    announcement are committed together or not at all. Only then is the
    change announced, and nothing that goes wrong with that reaches the
    caller. All may be called from several threads or greenlets, and may
    switch greenlets, as may receivers of signals.

    Args:
        database: where it is kept.
        clock: returns the present; UTC's by default.
        monotonic: returns seconds that no setting of a clock changes.
        rules: how much may be unfinished, and when an order is finished.

    All functions that change something take ``actor`` (who does it; by
    default ``SYSTEM``) and raise ``Missing`` for what does not exist or is
    not theirs, ``ValidationError`` for a bad argument, ``Conflict`` for what
    cannot be as things stand and ``DatabaseError`` when the store fails.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock = utc_now,
        rules: HouseRules = DEFAULT_RULES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.database = database
        self.rules = rules
        self._clock = clock
        self._outbox = Outbox(Announcer(self), database, clock, monotonic)
        self.on_commit: Callable[[Sequence[Change]], None] = self.announce
        """Called with the changes of each commit. What it raises is logged.

        A process that relays may put here what has ``announce`` called elsewhere, in a
        greenlet of its own.
        """

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] = os.environ,
        *,
        clock: Clock = utc_now,
    ) -> Self:
        """Return a service on the database that DATABASE_URL names.

        Unset, it is the SQLite file ``restaurant.db`` in INSTANCE_DIR, and
        ``instance/`` beside the code where that is unset too. On PostgreSQL, DATABASE_SCHEMA
        names the schema that its tables are in. The house's rules are read from
        MAX_OPEN_SESSIONS, MAX_OPEN_REQUESTS, MAX_ORDERS, MAX_ORDER_LINES and REQUIRE_PAID.

        Raises:
            ValidationError: one of the rules' variables holds what it may not.
            DatabaseError: the URL is wrong, the database does not answer or its schema is behind.
        """
        rules = HouseRules.from_env(environ)
        schema = (environ.get("DATABASE_SCHEMA") or "").strip()
        database = Database.checked(url_from(environ), schema=schema)
        return cls(database, clock=clock, rules=rules)

    # Sessions

    def add_waiter(self, waiter_id: str, name: str, *, actor: Actor = SYSTEM) -> WaiterAdded:
        """Make a waiter known, or correct the name of a known one."""
        with self._work(actor) as work:
            return waiters.add(work, waiter_id, name)

    def open_session(
        self,
        table_number: int,
        waiter_id: str,
        *,
        session_id: str | None = None,
        actor: Actor = SYSTEM,
    ) -> SessionView:
        """Seat guests at a free table (1 to 9999); a waiter opens tables for themself.

        Raises:
            UnknownWaiter: nobody of that id.
            TableOccupied: the table has an open session.
            TooManySessions: they have as many on the floor as a waiter may open.
            IdTaken: ``session_id`` was given and is not free.
        """
        with self._work(actor) as work:
            return sessions.open_session(work, table_number, waiter_id, session_id=session_id)

    def close_session(
        self,
        session_id: str,
        *,
        actor: Actor = SYSTEM,
        reason: str | None = None,
        force: bool = False,
    ) -> SessionUpdate:
        """End a session. Closing again is no change.

        Nothing new can be asked for in it then; staff may still move on what
        is left, such as an order to be paid. Guests cannot close. With ``force``,
        which needs a ``reason``, orders may be left unfinished: the session then
        stays on its waiter's floor, and goes with a transfer, until they are finished.

        Raises:
            OrdersUnfinished: it was not forced; it names the orders.
        """
        with self._work(actor) as work:
            return sessions.close_session(work, session_id, reason=reason, force=force)

    def reopen_session(
        self, session_id: str, *, actor: Actor = SYSTEM, reason: str | None = None
    ) -> SessionUpdate:
        """Take back that a session was closed. One that is open is no change.

        Its guests' streams may be opened again. Guests cannot reopen.

        Raises:
            TableOccupied: others have sat down at the table.
            TooManySessions: their waiter has as many on the floor as they may open.
        """
        with self._work(actor) as work:
            return sessions.reopen_session(work, session_id, reason=reason)

    def transfer_sessions(
        self,
        *,
        to_waiter_id: str,
        from_waiter_id: str | None = None,
        session_ids: Sequence[str] | None = None,
        reason: str | None = None,
        cause: TransferCause | str = TransferCause.SHIFT_CHANGE,
        actor: Actor = SYSTEM,
    ) -> TransferResult:
        """Hand sessions over to another waiter: all of them, or none.

        With ``from_waiter_id`` alone these are all the sessions on their floor:
        open ones, and closed ones with unfinished orders; with ``session_ids``
        exactly those, and with both, each must be held by that waiter. Requests
        and orders follow, unchanged. Sessions already with ``to_waiter_id`` are no
        change, so it may be repeated. Guests and waiters are told the ``cause``;
        the ``reason`` stays in the audit.

        Raises:
            UnknownWaiter: either of the two.
            TransferRefused: some sessions are unknown, closed or another's;
                it names each. Nothing has moved.
        """
        with self._work(actor) as work:
            return transfers.transfer(
                work,
                to_waiter_id=to_waiter_id,
                from_waiter_id=from_waiter_id,
                session_ids=session_ids,
                reason=reason,
                cause=cause,
            )

    # Requests and orders

    def create_request(
        self,
        session_id: str,
        kind: str,
        *,
        note: str | None = None,
        request_id: str | None = None,
        actor: Actor = SYSTEM,
    ) -> RequestCreated:
        """Ask for something, such as "water" or "bill".

        A second one of a kind while the first is open returns the first, with
        ``created=False``; neither case nor blanks nor how an accent was typed make
        another kind. It is kept as it was typed, composed (NFC).

        Raises:
            SessionClosedError: the guests have left.
            TooMuchUnfinished: they wait for as many as they may.
            IdTaken: ``request_id`` was given and is not free.
        """
        with self._work(actor) as work:
            return requests.create(work, session_id, kind, note=note, request_id=request_id)

    def place_order(
        self,
        session_id: str,
        items: Sequence[Mapping[str, Any] | OrderItem],
        *,
        note: str | None = None,
        order_id: str | None = None,
        actor: Actor = SYSTEM,
    ) -> OrderView:
        """Order 1 to 100 lines of ``{"name": "Pizza", "quantity": 2}``, each 1 to 99 times.

        Raises:
            SessionClosedError: the guests have left.
            TooMuchUnfinished: they have as many orders, or lines, unfinished as they may.
            IdTaken: ``order_id`` was given and is not free.
        """
        with self._work(actor) as work:
            return orders.place(work, session_id, items, note=note, order_id=order_id)

    def update_request_status(
        self,
        request_id: str,
        status: RequestStatus | str,
        *,
        actor: Actor = SYSTEM,
        expected_version: int | None = None,
        reason: str | None = None,
    ) -> RequestUpdate:
        """Move a request to ``status``; the status it has already is no change.

        With ``expected_version``, only if it is still at that version: of two
        who act on what they both saw, exactly one wins.

        Raises:
            UnknownStatus: no such status; the error lists them.
            VersionConflict: it has been changed since.
            IllegalTransition: no such move from there, for this actor.
        """
        with self._work(actor) as work:
            return requests.update_status(
                work, request_id, status, expected_version=expected_version, reason=reason
            )

    def update_order_status(
        self,
        order_id: str,
        status: OrderStatus | str,
        *,
        actor: Actor = SYSTEM,
        expected_version: int | None = None,
        reason: str | None = None,
    ) -> OrderUpdate:
        """Move an order to ``status``; everything as in ``update_request_status``."""
        with self._work(actor) as work:
            return orders.update_status(
                work, order_id, status, expected_version=expected_version, reason=reason
            )

    # Announcing

    @property
    def is_relay(self) -> bool:
        """This process announces the whole deployment's changes, not only its own."""
        return self._outbox.is_relaying

    def start_relaying(
        self, side_by_side: SideBySide | None = None, *, is_alone: bool = False
    ) -> None:
        """Announce every pending change from now on: after each commit, and in ``flush()``.

        For processes that serve streams, once their receivers are connected. Call
        ``flush()`` right after, for what a crash left behind, and about every second.
        ``side_by_side`` runs functions at once, one a session: for receivers that wait.
        With ``is_alone`` no other process relays: what one had claimed that is gone
        need not wait until that shows.
        """
        self._outbox.start_relaying(side_by_side, is_alone=is_alone)

    def stop_relaying(self) -> None:
        """Leave announcing to others. What was claimed is given back at once.

        Waits up to 5 s for a flush under way.
        """
        self._outbox.stop_relaying()

    def announce(self, changes: Sequence[Change]) -> None:
        """Announce ``changes``, which this service has just committed.

        Relaying, it sends them as signals and removes their rows. Otherwise it tells the
        receivers in this process alone, and a process that relays announces the rows.
        """
        self._outbox.announce(changes)

    def flush(self, limit: int = 100) -> int:
        """Announce all pending changes that can be; return how many were sent.

        Each is sent as its signal, a session's oldest first, and its row is
        removed when every receiver took it. One that raises leaves the row
        for the next flush, and its session's later rows behind it; other
        sessions go on. A kind of change that nobody here listens to is left
        alone. If a flush is under way already, it takes this one's work over
        and this returns 0. Rows are claimed ``limit`` at a time.

        Raises:
            DatabaseError: the store failed; never what a receiver raised.
        """
        return self._outbox.flush(limit)

    @property
    def behind_count(self) -> int:
        """How many changes this process, relaying, has committed and still to announce."""
        return self._outbox.behind_count

    def pending_count(self) -> int:
        """Return how many changes are committed but not announced."""
        return self._outbox.pending_count()

    def oldest_age_seconds(self) -> float:
        """Return how long the oldest of them has waited; 0.0 when there is none."""
        return self._outbox.oldest_age_seconds()

    @contextmanager
    def _work(self, actor: Actor) -> Iterator[UnitOfWork]:
        """Run one transaction, then announce what it has changed."""
        if not isinstance(actor, Actor):
            raise ValidationError("actor", "must be an Actor, such as Actor.waiter('anna')")
        with self.database.writing() as orm:
            work = UnitOfWork(
                orm,
                actor=actor,
                clock=self._clock,
                rules=self.rules,
                outbox=self._outbox,
            )
            yield work
        self._outbox.committed(work.claimed)
        if not work.changes:
            return
        try:
            self.on_commit(tuple(work.changes))
        except Exception:
            # It is committed: the caller must not believe otherwise. The row
            # is in the outbox and is announced with the next flush.
            log.exception(
                "changes are committed but not announced yet: %s",
                ", ".join(change.id for change in work.changes),
            )
