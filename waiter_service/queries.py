"""Snapshots: how things stand, each read at one moment.

They change nothing; what changes something is in ``service.py``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from waiter_service import analytics, inputs
from waiter_service.actors import SYSTEM, Actor, ActorKind
from waiter_service.analytics import Analytics
from waiter_service.clock import Clock, utc_now
from waiter_service.database import Database
from waiter_service.errors import NotPermitted, UnknownSession, UnknownWaiter
from waiter_service.models import OrderRow, RequestRow, SessionRow, WaiterRow
from waiter_service.rules import DEFAULT_RULES, HouseRules
from waiter_service.sessions import is_on_floor
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.views import OrderView, RequestView, SessionView

_OPEN_REQUESTS = [status.value for status in RequestStatus if status.is_open]
_OPEN_ORDERS = [status.value for status in OrderStatus if status.is_open]


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """A session with what has been asked for in it, oldest first.

    ``taken_at`` is for ages: ``request.age_seconds(snapshot.taken_at)``.
    """

    session: SessionView
    requests: tuple[RequestView, ...]
    orders: tuple[OrderView, ...]
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class WaiterFloor:
    """The sessions on a waiter's floor, by table, each with what is open in it.

    A closed one is on it as long as orders in it are unfinished.
    """

    waiter_id: str
    waiter_name: str
    sessions: tuple[SessionSnapshot, ...]
    taken_at: datetime


class FloorQueries:
    """Reads the floor of one database.

    ``actor`` is who looks: a guest sees their own session, a waiter their
    own sessions, floor and figures, a manager and the system everything.
    Each call is one transaction that sees one moment. On PostgreSQL it may
    switch greenlets.
    """

    def __init__(
        self, database: Database, *, clock: Clock = utc_now, rules: HouseRules = DEFAULT_RULES
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules

    def session_snapshot(self, session_id: str, *, actor: Actor = SYSTEM) -> SessionSnapshot:
        """Return a session, open or closed, with all its requests and orders.

        Raises:
            UnknownSession, NotPermitted: none of that id, or not theirs.
        """
        with self._database.reading() as orm:
            session = session_for(orm, session_id, actor)
            return SessionSnapshot(
                session=SessionView.of(session),
                requests=tuple(
                    RequestView.of(row)
                    for row in orm.scalars(
                        select(RequestRow)
                        .where(RequestRow.session_id == session.id)
                        .order_by(RequestRow.created_at, RequestRow.id)
                    )
                ),
                orders=tuple(
                    OrderView.of(row)
                    for row in orm.scalars(
                        select(OrderRow)
                        .where(OrderRow.session_id == session.id)
                        .order_by(OrderRow.created_at, OrderRow.id)
                    )
                ),
                taken_at=self._clock(),
            )

    def require_session(self, session_id: str, *, actor: Actor) -> None:
        """Raise ``UnknownSession`` or ``NotPermitted`` unless ``actor`` may see the session now."""
        with self._database.reading() as orm:
            session_for(orm, session_id, actor)

    def waiter_floor(self, waiter_id: str, *, actor: Actor = SYSTEM) -> WaiterFloor:
        """Return a waiter's sessions with their open requests and orders.

        They are the open ones, and those that were closed with orders unfinished.

        A Completed request stays on the floor until the guest or the waiter
        says Done, so that it can be undone.

        Raises:
            UnknownWaiter, NotPermitted: nobody of that id, or somebody else.
        """
        with self._database.reading() as orm:
            waiter = _waiter(orm, waiter_id, actor)
            sessions = orm.scalars(
                select(SessionRow)
                .where(SessionRow.waiter_id == waiter_id, is_on_floor(self._rules))
                .order_by(SessionRow.table_number, SessionRow.opened_at)
            ).all()
            return WaiterFloor(
                waiter_id=waiter.id,
                waiter_name=waiter.name,
                sessions=_with_what_is_open(orm, sessions, self._clock()),
                taken_at=self._clock(),
            )

    def session_analytics(self, session_id: str, *, actor: Actor = SYSTEM) -> Analytics:
        """Return the figures of one session.

        Raises:
            UnknownSession, NotPermitted: none of that id, or not theirs.
        """
        with self._database.reading() as orm:
            session = session_for(orm, session_id, actor)
            return analytics.gather(orm, SessionRow.id == session.id)

    def waiter_analytics(self, waiter_id: str, *, actor: Actor = SYSTEM) -> Analytics:
        """Return the figures of all sessions the waiter holds, or held when they were closed.

        What was asked for before a transfer counts for who has it now.

        Raises:
            UnknownWaiter, NotPermitted: nobody of that id, or somebody else.
        """
        with self._database.reading() as orm:
            waiter = _waiter(orm, waiter_id, actor)
            return analytics.gather(orm, SessionRow.waiter_id == waiter.id)


def _with_what_is_open(
    orm: Session, sessions: Collection[SessionRow], now: datetime
) -> tuple[SessionSnapshot, ...]:
    ids = [session.id for session in sessions]
    # One statement for all tables, not one a table.
    requests = orm.scalars(
        select(RequestRow)
        .where(
            RequestRow.session_id.in_(ids),
            RequestRow.finished_at.is_(None),
            RequestRow.status.in_([*_OPEN_REQUESTS, RequestStatus.COMPLETED.value]),
        )
        .order_by(RequestRow.created_at, RequestRow.id)
    ).all()
    orders = orm.scalars(
        select(OrderRow)
        .where(
            OrderRow.session_id.in_(ids),
            OrderRow.finished_at.is_(None),
            OrderRow.status.in_(_OPEN_ORDERS),
        )
        .order_by(OrderRow.created_at, OrderRow.id)
    ).all()
    return tuple(
        SessionSnapshot(
            session=SessionView.of(session),
            requests=tuple(RequestView.of(r) for r in requests if r.session_id == session.id),
            orders=tuple(OrderView.of(o) for o in orders if o.session_id == session.id),
            taken_at=now,
        )
        for session in sessions
    )


def session_for(orm: Session, session_id: str, actor: Actor) -> SessionRow:
    """Return the session if ``actor`` may see it.

    Raises:
        UnknownSession, NotPermitted: none of that id, or not theirs.
    """
    session = orm.get(SessionRow, session_id) if inputs.is_identifier(session_id) else None
    if session is None:
        raise UnknownSession(session_id)
    if not actor.may_act_in(session_id=session.id, waiter_id=session.waiter_id):
        raise NotPermitted("session", session_id, actor)
    return session


def _waiter(orm: Session, waiter_id: str, actor: Actor) -> WaiterRow:
    if actor.is_guest or (actor.kind is ActorKind.WAITER and actor.id != waiter_id):
        raise NotPermitted("waiter", waiter_id, actor)
    waiter = orm.get(WaiterRow, waiter_id) if inputs.is_identifier(waiter_id) else None
    if waiter is None:
        raise UnknownWaiter(waiter_id)
    return waiter
