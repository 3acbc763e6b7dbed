"""Sessions: guests sit down, guests leave."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from waiter_service import inputs, revocations
from waiter_service.actors import ActorKind
from waiter_service.changes import SessionClosed, SessionOpened
from waiter_service.errors import (
    IdTaken,
    NotPermitted,
    TableOccupied,
    UnknownSession,
    UnknownWaiter,
)
from waiter_service.models import SessionRow, WaiterRow
from waiter_service.revocations import RevokedKind
from waiter_service.unit_of_work import WANTED, UnitOfWork, session_lock
from waiter_service.views import SessionUpdate, SessionView

_LOCK = session_lock(SessionRow.id == WANTED)


def lock_for_something_new(work: UnitOfWork, session_id: str) -> SessionRow:
    """Lock the session in which a request is to be made or an order to be placed."""
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
    if actor.is_guest or (actor.kind is ActorKind.WAITER and actor.id != waiter_id):
        raise NotPermitted("waiter", waiter_id, actor)
    if not inputs.is_identifier(waiter_id) or work.orm.get(WaiterRow, waiter_id) is None:
        raise UnknownWaiter(waiter_id)
    there = work.orm.scalar(
        select(SessionRow).where(
            SessionRow.table_number == table_number, SessionRow.closed_at.is_(None)
        )
    )
    if there is not None:
        # Whose table it is, is nobody else's business.
        is_theirs = actor.may_act_in(session_id=there.id, waiter_id=there.waiter_id)
        raise TableOccupied(table_number, there.id if is_theirs else None)
    row = SessionRow(
        id=chosen_id or inputs.new_identifier("session"),
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
        # Each driver names the constraint in its own way.
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


def close_session(work: UnitOfWork, session_id: str, *, reason: str | None) -> SessionUpdate:
    """End a session; what is left in it stays as it is."""
    reason = inputs.optional_text("reason", reason)
    session = _lock(work, session_id)
    if work.actor.is_guest:
        raise NotPermitted("session", session_id, work.actor)
    if session.closed_at is not None:
        return SessionUpdate(False, SessionView.of(session))
    session.closed_at = work.now
    session.version += 1
    # Ends the session's streams in every process, and lets none be opened, also
    # after a restart.
    revocations.add(work.orm, RevokedKind.SESSION, session.id, work.now, is_closing=True)
    work.record(
        SessionClosed(**work.facts(session, version=session.version, reason=reason)),
        subject=("session", session.id),
        from_value=None,
        to_value=None,
    )
    return SessionUpdate(True, SessionView.of(session))


def _lock(work: UnitOfWork, session_id: str) -> SessionRow:
    if not inputs.is_identifier(session_id):
        raise UnknownSession(session_id)
    session = work.lock_session(_LOCK, session_id)
    if session is None:
        raise UnknownSession(session_id)
    work.require_permission(session, "session", session_id)
    return session
