"""Guests at a table: sitting down, what is open there, and leaving."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from api.bodies import Body
from api.call import Answer, Call
from api.fields import Id, TableNumber, Words
from api.filters import OPEN, TABLE, VENUE, WAITER
from api.lists import AuditList, SessionList
from api.operation import Operation, Services
from api.problem_models import (
    OrdersUnfinishedProblem,
    SessionClosedProblem,
    TableOccupiedProblem,
    TooManySessionsProblem,
    WaiterOffShiftProblem,
)
from api.resources import SeatedSession, Session
from api.snapshots import TableSnapshot
from waiter_service.actors import ActorKind
from waiter_service.errors import IdTaken, SessionClosedError, TableOccupied, ValidationError


class OpenSession(Body):
    """Open a session."""

    table_number: TableNumber
    waiter_id: Id | None = Field(
        default=None,
        description="The waiter who serves the table. Default: the caller, if a waiter.",
    )


class CloseSession(Body):
    """Close a session."""

    reason: Words | None = Field(default=None, description="Recorded in the audit log.")
    force: bool = Field(
        default=False, description="Close it even with unfinished orders. Requires a ``reason``."
    )


class MoveSession(Body):
    """Give guests another table."""

    table_number: TableNumber
    reason: Words | None = Field(default=None, description="Recorded in the audit log.")


class ReopenSession(Body):
    """The guests have not left."""

    reason: Words | None = Field(default=None, description="Recorded in the audit log.")


def _with_join_code(services: Services, call: Call[OpenSession], answer: Answer) -> Answer:
    """Add to the answer what must never be stored: the join code.

    Refuses a retry by a waiter who has given the table away in the meantime.
    """
    session = Session.model_validate_json(answer.body)
    try:
        code = services.desk.code_for(session.id, call.actor)
    except SessionClosedError:
        code = None
    seated = SeatedSession.of(session, code)
    complete = Answer.of(answer.status, seated, Location=f"/api/sessions/{session.id}")
    return replace(complete, headers={**answer.headers, **complete.headers})


@Operation(
    "POST",
    "/sessions",
    {201: SeatedSession},
    body=OpenSession,
    conflicts=(TableOccupiedProblem, TooManySessionsProblem, WaiterOffShiftProblem),
    staff_only=True,
    has_location=True,
    complete=_with_join_code,
)
def open_session(services: Services, call: Call[OpenSession]) -> Answer:
    """Open a table.

    Waiters open tables for themselves; managers name the waiter. Guests join
    by the code in the answer, each with a token of their own.
    """
    actor, chosen_id = call.actor, call.chosen_id("session")
    waiter_id = call.body.waiter_id
    if waiter_id is None:
        if actor.kind is not ActorKind.WAITER:
            raise ValidationError("waiter_id", "must say who serves the table")
        waiter_id = actor.id
    try:
        view = services.waiter_service.open_session(
            call.body.table_number, waiter_id, session_id=chosen_id, actor=actor
        )
    except (TableOccupied, IdTaken) as error:
        is_ours = isinstance(error, IdTaken) or error.session_id == chosen_id
        if chosen_id is None or not is_ours:
            raise
        view = services.queries.session_snapshot(chosen_id, actor=actor).session
        if not view.is_open:
            # The key is forgotten after a day, the session made with it is not. Its guests
            # have left: a caller who opens a table now must not get that session.
            raise
    return Answer.of(201, Session.of(view))


@Operation(
    "GET",
    "/sessions",
    {200: SessionList},
    staff_only=True,
    is_paged=True,
    filters=(OPEN, TABLE, WAITER, VENUE),
)
def list_sessions(services: Services, call: Call[None]) -> Answer:
    """List sessions: waiters theirs, managers all of their venue.

    The open ones by venue and table, unless `open` says otherwise.
    """
    page = services.queries.sessions(
        actor=call.actor, limit=call.limit, cursor=call.cursor, **call.filters
    )
    return Answer.of(200, SessionList.of(page))


@Operation("GET", "/sessions/{sessionId}/audit", {200: AuditList}, staff_only=True, is_paged=True)
def read_audit(services: Services, call: Call[None], session_id: str) -> Answer:
    """Read what happened in a session and to its requests and orders, oldest first.

    Who did it, when, from what to what, and why.
    """
    page = services.queries.session_audit(
        session_id, actor=call.actor, limit=call.limit, cursor=call.cursor
    )
    return Answer.of(200, AuditList.of(page))


@Operation("GET", "/sessions/{sessionId}", {200: TableSnapshot}, is_paged=True)
def read_session(services: Services, call: Call[None], session_id: str) -> Answer:
    """Read a session, open or closed, with its requests and orders.

    All open requests and orders, and those finished last.
    """
    cursor, snapshot = services.cursors.read(
        "session",
        session_id,
        call.actor,
        lambda: services.queries.session_snapshot(
            session_id, actor=call.actor, limit=call.limit, cursor=call.cursor
        ),
    )
    return Answer.of(200, TableSnapshot.of(snapshot, call.actor, cursor))


@Operation(
    "POST",
    "/sessions/{sessionId}/close",
    {200: Session},
    body=CloseSession,
    body_is_optional=True,
    conflicts=(OrdersUnfinishedProblem,),
    staff_only=True,
)
def close_session(services: Services, call: Call[CloseSession | None], session_id: str) -> Answer:
    """Close a session; closing again changes nothing.

    Guests can then ask for nothing new; staff may still finish what is left, such as an
    order to be paid. Closing is refused while orders are unfinished, unless it is forced:
    the session then stays on its waiter's floor until they are finished.
    """
    reason, force = (call.body.reason, call.body.force) if call.body else (None, False)
    result = services.waiter_service.close_session(
        session_id, actor=call.actor, reason=reason, force=force
    )
    return Answer.of(200, Session.of(result.session))


@Operation(
    "POST",
    "/sessions/{sessionId}/reopen",
    {200: Session},
    body=ReopenSession,
    body_is_optional=True,
    conflicts=(TableOccupiedProblem, TooManySessionsProblem, WaiterOffShiftProblem),
    staff_only=True,
)
def reopen_session(services: Services, call: Call[ReopenSession | None], session_id: str) -> Answer:
    """Reopen a session that was closed by mistake; an open one is not changed."""
    reason = call.body.reason if call.body else None
    result = services.waiter_service.reopen_session(session_id, actor=call.actor, reason=reason)
    return Answer.of(200, Session.of(result.session))


@Operation(
    "POST",
    "/sessions/{sessionId}/move",
    {200: Session},
    body=MoveSession,
    conflicts=(TableOccupiedProblem, SessionClosedProblem),
    staff_only=True,
)
def move_session(services: Services, call: Call[MoveSession], session_id: str) -> Answer:
    """Give guests another, free table. Requests and orders go with them.

    The table that they have already changes nothing.
    """
    result = services.waiter_service.move_session(
        session_id, call.body.table_number, reason=call.body.reason, actor=call.actor
    )
    return Answer.of(200, Session.of(result.session))
