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
from waiter_service.floor import offers, orders, requests, sessions, venues, waiters
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.handovers import Handovers
from waiter_service.inputs import OrderItem
from waiter_service.outbox.announcer import Announcer
from waiter_service.outbox.outbox import Outbox, SideBySide
from waiter_service.rules import DEFAULT_RULES, HouseRules
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.store.database import Database
from waiter_service.store.database_url import url_from
from waiter_service.views import (
    OrderUpdate,
    OrderView,
    RequestCreated,
    RequestUpdate,
    SessionUpdate,
    SessionView,
    VenueAdded,
    WaiterAdded,
)

log = logging.getLogger(__name__)


class WaiterService(Handovers):
    """Everything that waiters, guests and other systems can do on the floor.

    Every method is one transaction: the change, its audit row and its outbox row are
    committed together or not at all. The change is announced after the commit, and a
    failure to announce it never reaches the caller. All methods may be called from several
    threads or greenlets, and may switch greenlets, as may receivers of signals.

    Args:
        database: where the floor is stored.
        clock: returns the current time, in UTC.
        monotonic: returns seconds of a clock that is never set.
        rules: how much may be unfinished, and when an order counts as finished.

    All methods that change something take ``actor`` (who makes the change; ``SYSTEM`` by
    default). They raise ``Missing`` if a thing does not exist or the actor may not act
    on it, ``ValidationError`` for a bad argument, ``Conflict`` if the current state does
    not allow the change, and ``DatabaseError`` if the database fails.
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

        The default is the SQLite file ``restaurant.db`` in INSTANCE_DIR, whose default is
        ``instance/`` beside the code. On PostgreSQL, DATABASE_SCHEMA names the schema that
        holds the tables. The house's rules are read from
        MAX_OPEN_SESSIONS, MAX_OPEN_REQUESTS, MAX_ORDERS, MAX_ORDER_LINES, REQUIRE_PAID and
        HANDOVER_OFFER_SECONDS.

        Raises:
            ValidationError: a variable of the rules has an invalid value.
            DatabaseError: the URL is wrong, the database does not answer or its schema is behind.
        """
        rules = HouseRules.from_env(environ)
        schema = (environ.get("DATABASE_SCHEMA") or "").strip()
        database = Database.checked(url_from(environ), schema=schema)
        return cls(database, clock=clock, rules=rules)

    # Sessions

    def add_venue(
        self,
        venue_id: str,
        name: str | None = None,
        *,
        time_zone: str | None = None,
        actor: Actor = SYSTEM,
    ) -> VenueAdded:
        """Add a venue, or change the name and the time zone of an existing one.

        For managers of all venues; a manager of one venue may change theirs. The name of a
        new venue is its id by default, and its time zone UTC.
        """
        with self._work(actor) as work:
            return venues.add(work, venue_id, name, time_zone)

    def add_waiter(
        self, waiter_id: str, name: str, *, venue_id: str | None = None, actor: Actor = SYSTEM
    ) -> WaiterAdded:
        """Add a waiter, or change the name of an existing one. For managers.

        A new waiter belongs to ``venue_id``, by default to the actor's venue. A waiter never
        changes venue.

        Raises:
            UnknownVenue: ``venue_id`` does not exist.
            IdTaken: the waiter works in a venue that the actor does not manage.
        """
        with self._work(actor) as work:
            return waiters.add(work, waiter_id, name, venue_id)

    def open_session(
        self,
        table_number: int,
        waiter_id: str,
        *,
        session_id: str | None = None,
        actor: Actor = SYSTEM,
    ) -> SessionView:
        """Seat guests at a free table (1 to 9999). Waiters open tables for themselves only.

        Raises:
            UnknownWaiter: ``waiter_id`` does not exist.
            WaiterOffShift: the venue uses shifts, and the waiter is off shift.
            TableOccupied: the table has an open session.
            TooManySessions: the waiter already has as many as one may open.
            IdTaken: ``session_id`` was given and is in use.
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
        """Close a session. Closing a closed session changes nothing.

        Afterwards no requests or orders can be made in it. Staff may still move what is
        left, such as an order to be paid. Guests cannot close a session. With ``force``,
        which needs a ``reason``, orders may be left unfinished: until they are finished the
        session stays on its waiter's floor, and transfers take it along.

        Raises:
            OrdersUnfinished: orders are unfinished and ``force`` is not set; names them.
        """
        with self._work(actor) as work:
            return sessions.close_session(work, session_id, reason=reason, force=force)

    def reopen_session(
        self, session_id: str, *, actor: Actor = SYSTEM, reason: str | None = None
    ) -> SessionUpdate:
        """Reopen a session that was closed by mistake. Reopening an open one changes nothing.

        Its guests may open streams again. Guests cannot reopen a session.

        Raises:
            TableOccupied: the table has another open session.
            TooManySessions: the waiter already has as many as one may open.
        """
        with self._work(actor) as work:
            return sessions.reopen_session(work, session_id, reason=reason)

    def move_session(
        self,
        session_id: str,
        table_number: int,
        *,
        actor: Actor = SYSTEM,
        reason: str | None = None,
    ) -> SessionUpdate:
        """Give guests another, free table. The table that they have changes nothing.

        Their requests and orders go along. Guests cannot move a session.

        Raises:
            SessionClosedError: the session is closed.
            TableOccupied: the table has an open session.
        """
        with self._work(actor) as work:
            return sessions.move_session(work, session_id, table_number, reason=reason)

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
        """Make a request, such as "water" or "bill".

        While a request of the same kind is open, that one is returned, with
        ``created=False``. Kinds that differ only in case, in blanks or in how an accent was
        typed are the same. The kind is stored as it was typed, composed (NFC).

        Raises:
            SessionClosedError: the session is closed.
            TooMuchUnfinished: the session has as many open requests as it may have.
            IdTaken: ``request_id`` was given and is in use.
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
        """Place an order of 1 to 100 lines such as ``{"name": "Pizza", "quantity": 2}``.

        A quantity is 1 to 99.

        Raises:
            SessionClosedError: the session is closed.
            TooMuchUnfinished: the session has as many unfinished orders, or lines, as it may.
            IdTaken: ``order_id`` was given and is in use.
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
        """Move a request to ``status``. The status it already has changes nothing.

        With ``expected_version``, it moves only if it still has that version: of two callers
        who act on the same version, exactly one succeeds.

        Raises:
            UnknownStatus: there is no such status; the error lists them.
            VersionConflict: it changed in the meantime.
            IllegalTransition: this actor may not make that move.
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
        """Move an order to ``status``, as ``update_request_status`` moves a request."""
        with self._work(actor) as work:
            return orders.update_status(
                work, order_id, status, expected_version=expected_version, reason=reason
            )

    # Periodically

    def expire_offers(self) -> int:
        """Settle open offers whose time is over; return how many. For a timer.

        Each is settled once, however many processes do this. While there is none, this is
        one look into an index.
        """
        with self.database.reading() as orm:
            if not offers.any_expired(orm, self._clock()):
                return 0
        with self._work(SYSTEM) as work:
            return offers.expire(work)

    # Announcing

    @property
    def is_relay(self) -> bool:
        """Whether this process announces the changes of the whole deployment, not only its own."""
        return self._outbox.is_relaying

    def start_relaying(
        self, side_by_side: SideBySide | None = None, *, is_alone: bool = False
    ) -> None:
        """Announce every pending change from now on: after each commit, and in ``flush()``.

        For processes that serve streams, once their receivers are connected. Call ``flush()``
        right after, for changes that a crash left behind, and about every second.
        ``side_by_side`` runs several functions at a time, one per session, for receivers that
        wait for a server. With ``is_alone`` no other process relays, so claims of
        processes that died end at once.
        """
        self._outbox.start_relaying(side_by_side, is_alone=is_alone)

    def stop_relaying(self) -> None:
        """Leave announcing to other processes, and give claimed rows back to them.

        Waits up to 5 s for a flush to end.
        """
        self._outbox.stop_relaying()

    def announce(self, changes: Sequence[Change]) -> None:
        """Announce ``changes``, which this service has just committed.

        Relaying, it sends them as signals and removes their rows. Otherwise it tells the
        receivers in this process alone, and a process that relays announces the rows.
        """
        self._outbox.announce(changes)

    def flush(self, limit: int = 100) -> int:
        """Announce all pending changes that can be announced; return how many were.

        Each is sent as its signal, a session's oldest first, and its row is removed when
        every receiver took it. If a receiver raises, the row stays for the next flush, and
        so do the session's later rows; other sessions are not affected. Kinds of changes
        without a receiver in this process are left alone. If another flush is running,
        it does this one's work too, and this returns 0. Rows are claimed ``limit`` at a time.

        Raises:
            DatabaseError: the database failed; never what a receiver raised.
        """
        return self._outbox.flush(limit)

    @property
    def behind_count(self) -> int:
        """How many changes this process has committed, and not yet announced, while it relays."""
        return self._outbox.behind_count

    def pending_count(self) -> int:
        """Return how many changes are committed but not yet announced."""
        return self._outbox.pending_count()

    def oldest_age_seconds(self) -> float:
        """Return how long the oldest of them has been waiting; 0.0 if there is none."""
        return self._outbox.oldest_age_seconds()

    @contextmanager
    def _work(self, actor: Actor) -> Iterator[UnitOfWork]:
        """Run one transaction, then announce its changes."""
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
            # The change is committed, so the caller must not see a failure. Its row
            # is in the outbox and is announced with the next flush.
            log.exception(
                "changes are committed but not announced yet",
                extra={"fields": {"changes": ",".join(change.id for change in work.changes)}},
            )
