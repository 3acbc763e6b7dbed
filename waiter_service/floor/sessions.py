"""Sessions: opening, closing, reopening and moving them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.exc import IntegrityError

from waiter_service import inputs, revocations
from waiter_service.actors import ActorKind
from waiter_service.changes import SessionClosed, SessionMoved, SessionOpened, SessionReopened
from waiter_service.errors import (
    IdTaken,
    NotPermitted,
    OrdersUnfinished,
    TableOccupied,
    TooManySessions,
    UnknownSession,
    ValidationError,
)
from waiter_service.floor import waiters
from waiter_service.floor.unit_of_work import WANTED, UnitOfWork, session_lock
from waiter_service.revocations import RevokedKind, end_codes
from waiter_service.rules import HouseRules
from waiter_service.store.models import JoinCodeRow, OrderRow, SessionRow, WaiterRow
from waiter_service.views import SessionUpdate, SessionView

_LOCK = session_lock(SessionRow.id == WANTED)


def lock_for_something_new(work: UnitOfWork, session_id: str) -> SessionRow:
    """Lock the session in which a request or an order is to be made."""
    session = _lock(work, session_id)
    work.require_open(session)
    return session


def open_session(
    work: UnitOfWork, table_number: int, waiter_id: str, *, session_id: str | None
) -> SessionView:
    """Seat guests at a free table."""
    table_number = inputs.table_number(table_number)
    chosen_id = None if session_id is None else inputs.identifier("session_id", session_id)
    actor = work.actor
    if not actor.is_floor_staff or (actor.kind is ActorKind.WAITER and actor.id != waiter_id):
        raise NotPermitted("waiter", waiter_id, actor)
    waiter = waiters.hold(work, [waiter_id])[waiter_id]
    if actor.is_in_charge and not actor.covers(waiter.venue_id):
        raise NotPermitted("waiter", waiter_id, actor)
    waiters.require_on_shift(work, [waiter])
    _require_free_table(work, waiter.venue_id, table_number)
    _require_room(work, waiter_id)
    row = SessionRow(
        id=chosen_id or inputs.new_identifier("session"),
        venue_id=waiter.venue_id,
        table_number=table_number,
        waiter_id=waiter_id,
        version=1,
        opened_at=work.now,
        closed_at=None,
    )
    work.orm.add(row)
    try:
        work.orm.flush()
    except IntegrityError as error:
        # Each driver reports the constraint's name differently.
        if any(name in str(error.orig) for name in ("sessions.id", "pk_sessions")):
            raise IdTaken("session", row.id) from error
        raise TableOccupied(table_number, None) from error
    work.record(
        SessionOpened(**work.facts(row, version=row.version, reason=None)),
        subject=("session", row.id),
        from_value=None,
        to_value=waiter_id,
    )
    return SessionView.of(row)


def _require_free_table(work: UnitOfWork, venue_id: str, table_number: int) -> None:
    there = work.orm.scalar(
        select(SessionRow).where(
            SessionRow.venue_id == venue_id,
            SessionRow.table_number == table_number,
            SessionRow.closed_at.is_(None),
        )
    )
    if there is not None:
        # Other waiters must not learn who holds the table.
        raise TableOccupied(table_number, there.id if work.may_act_in(there) else None)


def _require_room(work: UnitOfWork, waiter_id: str) -> None:
    """Raise ``TooManySessions`` if the waiter's floor is full.

    On PostgreSQL, two calls at once may both find the last free place. That does no harm: the
    limit bounds the work that one waiter can cause, and one more session changes nothing.
    """
    if not work.rules.limits(work.actor):
        return
    most = work.rules.max_open_sessions
    is_theirs = (SessionRow.waiter_id == waiter_id) & is_on_floor(work.rules)
    if (work.orm.scalar(select(func.count(SessionRow.id)).where(is_theirs)) or 0) >= most:
        raise TooManySessions(waiter_id, most)


def close_session(
    work: UnitOfWork, session_id: str, *, reason: str | None, force: bool
) -> SessionUpdate:
    """Close a session; its requests and orders stay as they are."""
    reason = inputs.optional_text("reason", reason)
    if force and reason is None:
        raise ValidationError("reason", "must say why it is closed by force")
    session = _lock(work, session_id)
    if work.actor.is_guest:
        raise NotPermitted("session", session_id, work.actor)
    if session.closed_at is not None:
        return SessionUpdate(False, SessionView.of(session))
    unfinished = unfinished_orders(work, session)
    if unfinished and not force:
        raise OrdersUnfinished(session.id, unfinished)
    session.closed_at = work.now
    session.settled_at = None if unfinished else work.now
    session.version += 1
    # Ends the session's streams in every process and prevents new ones, also after a
    # restart.
    revocations.add(work.orm, RevokedKind.SESSION, session.id, work.now, is_closing=True)
    end_codes(work.orm, JoinCodeRow.session_id == session.id)
    work.record(
        SessionClosed(**work.facts(session, version=session.version, reason=reason)),
        subject=("session", session.id),
        from_value=None,
        to_value=None,
    )
    return SessionUpdate(True, SessionView.of(session))


def reopen_session(work: UnitOfWork, session_id: str, *, reason: str | None) -> SessionUpdate:
    """Undo a closing."""
    reason = inputs.optional_text("reason", reason)
    waiter, session = _lock_with_waiter(work, session_id)
    if work.actor.is_guest:
        raise NotPermitted("session", session_id, work.actor)
    if session.closed_at is None:
        return SessionUpdate(False, SessionView.of(session))
    waiters.require_on_shift(work, [waiter])
    _require_free_table(work, session.venue_id, session.table_number)
    _require_room(work, session.waiter_id)
    session.closed_at = session.settled_at = None
    session.version += 1
    try:
        work.orm.flush()
    except IntegrityError as error:
        # Other guests sat down after our check.
        raise TableOccupied(session.table_number, None) from error
    # Allows streams of the session again, in every process.
    revocations.add(work.orm, RevokedKind.REOPENED, session.id, work.now, is_closing=True)
    work.record(
        SessionReopened(**work.facts(session, version=session.version, reason=reason)),
        subject=("session", session.id),
        from_value=None,
        to_value=session.waiter_id,
    )
    return SessionUpdate(True, SessionView.of(session))


def move_session(
    work: UnitOfWork, session_id: str, table_number: int, *, reason: str | None
) -> SessionUpdate:
    """Give an open session another table of its venue."""
    table_number = inputs.table_number(table_number)
    reason = inputs.optional_text("reason", reason)
    session = _lock(work, session_id)
    if work.actor.is_guest:
        raise NotPermitted("session", session_id, work.actor)
    work.require_open(session)
    previous = session.table_number
    if table_number == previous:
        return SessionUpdate(False, SessionView.of(session))
    _require_free_table(work, session.venue_id, table_number)
    session.table_number = table_number
    session.version += 1
    try:
        work.orm.flush()
    except IntegrityError as error:
        # Other guests sat down after our check.
        raise TableOccupied(table_number, None) from error
    work.record(
        SessionMoved(
            **work.facts(session, version=session.version, reason=reason),
            previous_table_number=previous,
        ),
        subject=("session", session.id),
        from_value=str(previous),
        to_value=str(table_number),
    )
    return SessionUpdate(True, SessionView.of(session))


def settle(work: UnitOfWork, session: SessionRow) -> None:
    """Take a closed session off the floor once nothing in it is unfinished, or put it back."""
    if unfinished_orders(work, session):
        session.settled_at = None
    elif session.settled_at is None:
        session.settled_at = work.now


def is_on_floor(rules: HouseRules) -> ColumnElement[bool]:
    """Return the condition for sessions on a floor: open, or closed with unfinished orders."""
    is_unfinished = (OrderRow.session_id == SessionRow.id) & _is_unfinished(rules)
    # Rows written by a release that does not know settled_at never have it.
    return SessionRow.settled_at.is_(None) & (
        SessionRow.closed_at.is_(None) | exists().where(is_unfinished)
    )


def unfinished_orders(work: UnitOfWork, session: SessionRow) -> Sequence[str]:
    """Return the ids of the session's unfinished orders, oldest first."""
    return work.orm.scalars(
        select(OrderRow.id)
        .where(OrderRow.session_id == session.id, _is_unfinished(work.rules))
        .order_by(OrderRow.created_at, OrderRow.id)
    ).all()


def _is_unfinished(rules: HouseRules) -> ColumnElement[bool]:
    return OrderRow.finished_at.is_(None) & OrderRow.status.in_(rules.unfinished_orders)


def _lock_with_waiter(work: UnitOfWork, session_id: str) -> tuple[WaiterRow, SessionRow]:
    """Lock a session, and first its waiter; see ``waiters.hold``."""
    holder = select(SessionRow.waiter_id).where(SessionRow.id == session_id)
    while True:
        waiter_id = work.orm.scalar(holder) if inputs.is_identifier(session_id) else None
        if waiter_id is None:
            raise UnknownSession(session_id)
        waiter = waiters.hold(work, [waiter_id])[waiter_id]
        session = _lock(work, session_id)
        # Otherwise it was transferred between the two statements.
        if session.waiter_id == waiter_id:
            return waiter, session


def _lock(work: UnitOfWork, session_id: str) -> SessionRow:
    if not inputs.is_identifier(session_id):
        raise UnknownSession(session_id)
    session = work.lock_session(_LOCK, session_id)
    if session is None:
        raise UnknownSession(session_id)
    work.require_permission(session, "session", session_id)
    return session
