"""What each operation of the API does: a call in, an answer out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from api.bodies import (
    AddWaiter,
    ChangeOrderStatus,
    ChangeRequestStatus,
    CloseSession,
    CreateRequest,
    OpenSession,
    PlaceOrder,
    ReopenSession,
    TransferSessions,
)
from api.call import Answer, Call
from api.joining import JoinDesk
from api.resources import (
    Floor,
    Order,
    Request,
    SeatedSession,
    Session,
    SessionList,
    TableSnapshot,
    Transfer,
    Waiter,
    WaiterAnalytics,
    WaiterList,
)
from notifications.errors import NotAllowed
from waiter_service.actors import Actor, ActorKind
from waiter_service.errors import IdTaken, SessionClosedError, TableOccupied, ValidationError
from waiter_service.inputs import is_identifier
from waiter_service.queries import FloorQueries, SessionSnapshot
from waiter_service.service import WaiterService

T = TypeVar("T")

CursorOf = Callable[[str, str], str | None]
"""From ``"session"`` or ``"waiter"`` and an id to the place after which its channel goes on.

None where the channel has no place yet. Keeps nothing.
"""

FirstCursorOf = Callable[[str, str], str]
"""From the same to the place before everything on a channel; gives it one where it has none."""


class FloorApi:
    """The waiter service and its queries, in the words of the API.

    Raises what they raise; who may do what is theirs to decide. The first
    line of each docstring is the operation's summary in the document.
    """

    def __init__(
        self,
        service: WaiterService,
        queries: FloorQueries,
        *,
        cursor_of: CursorOf,
        first_cursor_of: FirstCursorOf,
        desk: JoinDesk,
    ) -> None:
        self._service = service
        self._queries = queries
        self._cursor_of = cursor_of
        self._first_cursor_of = first_cursor_of
        self._desk = desk

    # Sessions

    def open_session(self, call: Call[OpenSession]) -> Answer:
        """Open a table.

        Waiters open tables for themselves; managers say for whom. Guests join
        by the code in the answer, each with a token of their own.
        """
        actor, chosen_id = call.actor, call.chosen_id("session")
        waiter_id = call.body.waiter_id
        if waiter_id is None:
            if actor.kind is not ActorKind.WAITER:
                raise ValidationError("waiter_id", "must say who serves the table")
            waiter_id = actor.id
        try:
            view = self._service.open_session(
                call.body.table_number, waiter_id, session_id=chosen_id, actor=actor
            )
        except (TableOccupied, IdTaken) as error:
            is_ours = isinstance(error, IdTaken) or error.session_id == chosen_id
            if chosen_id is None or not is_ours:
                raise
            view = self._snapshot(chosen_id, actor).session
            if not view.is_open:
                # The key is forgotten after a day, the session it has made is not. Its
                # guests have left; whoever opens a table now must not get that one.
                raise
        return Answer.of(201, Session.of(view))

    def seat(self, call: Call[OpenSession], answer: Answer) -> Answer:
        """Complete ``open_session``'s answer with what must never be stored: the join code.

        A retry is refused here to those who have given the table away since.
        """
        session = Session.model_validate_json(answer.body)
        try:
            code = self._desk.code_for(session.id, call.actor)
        except SessionClosedError:
            code = None
        seated = SeatedSession.of(session, code)
        complete = Answer.of(answer.status, seated, Location=f"/api/sessions/{session.id}")
        return replace(complete, headers={**answer.headers, **complete.headers})

    def require_session(self, session_id: str, actor: Actor) -> None:
        """Raise what reading the session would, unless ``actor`` may see it now."""
        self._queries.require_session(session_id, actor=actor)

    def read_session(self, call: Call[None], session_id: str) -> Answer:
        """Read a session, open or closed, with its requests and orders.

        All that are open, and those that were finished last.
        """
        cursor, snapshot = self._read(
            "session",
            session_id,
            call.actor,
            lambda: self._queries.session_snapshot(
                session_id, actor=call.actor, limit=call.limit, cursor=call.cursor
            ),
        )
        return Answer.of(200, TableSnapshot.of(snapshot, call.actor, cursor))

    def list_sessions(self, call: Call[None]) -> Answer:
        """List the open sessions, by table: waiters theirs, managers all."""
        page = self._queries.sessions(
            table_number=call.table, actor=call.actor, limit=call.limit, cursor=call.cursor
        )
        return Answer.of(200, SessionList.of(page))

    def close_session(self, call: Call[CloseSession | None], session_id: str) -> Answer:
        """Close a session; closing again changes nothing.

        Nothing new can be asked for in it then; staff may still move on what
        is left, such as an order to be paid. With orders unfinished it is refused,
        unless forced: it then stays on its waiter's floor until they are finished.
        """
        reason, force = (call.body.reason, call.body.force) if call.body else (None, False)
        result = self._service.close_session(
            session_id, actor=call.actor, reason=reason, force=force
        )
        return Answer.of(200, Session.of(result.session))

    def reopen_session(self, call: Call[ReopenSession | None], session_id: str) -> Answer:
        """Reopen a session that was closed by mistake; an open one is not changed."""
        reason = call.body.reason if call.body else None
        result = self._service.reopen_session(session_id, actor=call.actor, reason=reason)
        return Answer.of(200, Session.of(result.session))

    # Requests and orders

    def create_request(self, call: Call[CreateRequest], session_id: str) -> Answer:
        """Ask for something, such as water or the bill.

        200 and the open request if there is one of the kind already, 201 and
        a new one otherwise.
        """
        chosen_id = call.chosen_id("request")
        try:
            made = self._service.create_request(
                session_id,
                call.body.kind,
                note=call.body.note,
                request_id=chosen_id,
                actor=call.actor,
            )
            request, is_new = made.request, made.created or made.request.id == chosen_id
        except IdTaken:
            request, is_new = self._queries.request(str(chosen_id), actor=call.actor), True
        return Answer.of(201 if is_new else 200, Request.of(request, call.actor))

    def place_order(self, call: Call[PlaceOrder], session_id: str) -> Answer:
        """Place an order."""
        chosen_id = call.chosen_id("order")
        try:
            order = self._service.place_order(
                session_id,
                [line.model_dump() for line in call.body.items],
                note=call.body.note,
                order_id=chosen_id,
                actor=call.actor,
            )
        except IdTaken:
            order = self._queries.order(str(chosen_id), actor=call.actor)
        return Answer.of(201, Order.of(order, call.actor))

    def change_request_status(self, call: Call[ChangeRequestStatus], request_id: str) -> Answer:
        """Move a request on; the status it has already is no change.

        Any spelling of a status is understood: in_progress, in-progress, InProgress.
        """
        result = self._service.update_request_status(
            request_id,
            call.body.status,
            actor=call.actor,
            expected_version=call.body.expected_version,
            reason=call.body.reason,
        )
        return Answer.of(200, Request.of(result.request, call.actor))

    def change_order_status(self, call: Call[ChangeOrderStatus], order_id: str) -> Answer:
        """Move an order on; the status it has already is no change.

        Any spelling of a status is understood: in_progress, in-progress, InProgress.
        """
        result = self._service.update_order_status(
            order_id,
            call.body.status,
            actor=call.actor,
            expected_version=call.body.expected_version,
            reason=call.body.reason,
        )
        return Answer.of(200, Order.of(result.order, call.actor))

    # Waiters

    def list_waiters(self, call: Call[None]) -> Answer:
        """List the waiters, by id."""
        page = self._queries.waiters(actor=call.actor, limit=call.limit, cursor=call.cursor)
        return Answer.of(200, WaiterList.of(page))

    def add_waiter(self, call: Call[AddWaiter]) -> Answer:
        """Make a waiter known, or correct the name of a known one. For managers."""
        if call.actor.kind is not ActorKind.MANAGER:
            raise NotAllowed("This is for managers.")
        added = self._service.add_waiter(call.body.id, call.body.name, actor=call.actor)
        return Answer.of(201 if added.created else 200, Waiter.of(added.waiter))

    def read_floor(self, call: Call[None], waiter_id: str) -> Answer:
        """Read a waiter's floor: the sessions, by table, with what is open in each."""
        cursor, floor = self._read(
            "waiter",
            waiter_id,
            call.actor,
            lambda: self._queries.waiter_floor(
                waiter_id, actor=call.actor, limit=call.limit, cursor=call.cursor
            ),
        )
        return Answer.of(200, Floor.of(floor, call.actor, cursor))

    def read_analytics(self, call: Call[None], waiter_id: str) -> Answer:
        """Read a waiter's figures: how many, and how long it took."""
        analytics = self._queries.waiter_analytics(waiter_id, actor=call.actor)
        return Answer.of(200, WaiterAnalytics.of(waiter_id, analytics))

    def transfer_sessions(self, call: Call[TransferSessions], waiter_id: str) -> Answer:
        """Hand a waiter's sessions over to another: all that are asked for, or none.

        Requests and orders go with them, unchanged. Repeating a finished
        transfer changes nothing.
        """
        result = self._service.transfer_sessions(
            from_waiter_id=waiter_id,
            to_waiter_id=call.body.to_waiter_id,
            session_ids=call.body.session_ids,
            cause=call.body.cause,
            reason=call.body.reason,
            actor=call.actor,
        )
        return Answer.of(200, Transfer.of(result))

    def _read(self, kind: str, thing_id: str, actor: Actor, read: Callable[[], T]) -> tuple[str, T]:
        """Return what ``read`` returns, and the place after which its channel goes on.

        A change is announced after it is committed. What the channel holds
        already was therefore committed before, and is in what is read next;
        what is announced later follows the cursor. What falls between the two
        may be in both, and is recognised by its version. The other way round,
        a change committed after the reading and announced before the cursor
        was taken would be in neither.

        A channel without a place gets one only once the reading has shown that what
        it is about exists: whoever tries ids must not fill the broker's memory. All
        that is ever on it came after this began, so its cursor is its beginning.
        """
        owner = ActorKind.GUEST if kind == "session" else ActorKind.WAITER
        is_foreign = actor.kind is owner and actor.id != thing_id
        if is_foreign or not is_identifier(thing_id):
            return "", read()  # which refuses
        cursor = self._cursor_of(kind, thing_id)
        found = read()
        return self._first_cursor_of(kind, thing_id) if cursor is None else cursor, found

    def _snapshot(self, session_id: str, actor: Actor) -> SessionSnapshot:
        return self._queries.session_snapshot(session_id, actor=actor)
