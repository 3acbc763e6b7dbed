"""Waiters: who works here, each waiter's floor and figures, and handing tables over."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.bodies import Body
from api.call import Answer, Call
from api.fields import Id, WaiterName, Words
from api.filters import ON_SHIFT, VENUE
from api.lists import WaiterList
from api.operation import Operation, Services
from api.problem_models import TransferRefusedProblem, WaiterOffShiftProblem
from api.resources import Transfer, Waiter, WaiterAnalytics
from api.snapshots import Floor
from notifications.errors import NotAllowed
from waiter_service.actors import ActorKind
from waiter_service.floor.transfers import MAX_SESSIONS
from waiter_service.transfer_cause import TransferCause


class AddWaiter(Body):
    """A new waiter."""

    id: Id
    name: WaiterName
    venue_id: Id | None = Field(
        default=None, description="Where they work. Default: the caller's venue, or `main`."
    )


class TransferSessions(Body):
    """Transfer sessions."""

    to_waiter_id: Id
    session_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_SESSIONS)] | None = Field(
        default=None, description="Default: all open sessions of the waiter."
    )
    cause: TransferCause = Field(
        default=TransferCause.SHIFT_CHANGE,
        description="The reason, for guests to read; `other` shows no reason.",
    )
    reason: Words | None = Field(
        default=None,
        description="The reason, for staff. Recorded in the audit log; guests never see it.",
    )


@Operation(
    "GET",
    "/waiters",
    {200: WaiterList},
    staff_only=True,
    is_paged=True,
    filters=(VENUE, ON_SHIFT),
)
def list_waiters(services: Services, call: Call[None]) -> Answer:
    """List the waiters, by id: those of the caller's venue, or of all venues."""
    page = services.queries.waiters(
        actor=call.actor, limit=call.limit, cursor=call.cursor, **call.filters
    )
    return Answer.of(200, WaiterList.of(page))


@Operation("GET", "/waiters/{waiterId}", {200: Waiter}, staff_only=True)
def read_waiter(services: Services, call: Call[None], waiter_id: str) -> Answer:
    """Read a waiter, such as whether they are on shift."""
    return Answer.of(200, Waiter.of(services.queries.waiter(waiter_id, actor=call.actor)))


@Operation("POST", "/waiters", {200: Waiter, 201: Waiter}, body=AddWaiter, staff_only=True)
def add_waiter(services: Services, call: Call[AddWaiter]) -> Answer:
    """Add a waiter, or correct a waiter's name. For managers."""
    if call.actor.kind is not ActorKind.MANAGER:
        raise NotAllowed("This is for managers.")
    added = services.waiter_service.add_waiter(
        call.body.id, call.body.name, venue_id=call.body.venue_id, actor=call.actor
    )
    return Answer.of(201 if added.created else 200, Waiter.of(added.waiter))


@Operation("GET", "/waiters/{waiterId}/floor", {200: Floor}, staff_only=True, is_paged=True)
def read_floor(services: Services, call: Call[None], waiter_id: str) -> Answer:
    """Read a waiter's floor: the sessions, by table, with what is open in each."""
    cursor, floor = services.cursors.read(
        "waiter",
        waiter_id,
        call.actor,
        lambda: services.queries.waiter_floor(
            waiter_id, actor=call.actor, limit=call.limit, cursor=call.cursor
        ),
    )
    return Answer.of(200, Floor.of(floor, call.actor, cursor))


@Operation("GET", "/waiters/{waiterId}/analytics", {200: WaiterAnalytics}, staff_only=True)
def read_analytics(services: Services, call: Call[None], waiter_id: str) -> Answer:
    """Read a waiter's figures: counts and durations."""
    analytics = services.queries.waiter_analytics(waiter_id, actor=call.actor)
    return Answer.of(200, WaiterAnalytics.of(waiter_id, analytics))


@Operation(
    "POST",
    "/waiters/{waiterId}/transfers",
    {200: Transfer},
    body=TransferSessions,
    conflicts=(TransferRefusedProblem, WaiterOffShiftProblem),
    staff_only=True,
)
def transfer_sessions(services: Services, call: Call[TransferSessions], waiter_id: str) -> Answer:
    """Transfer a waiter's sessions to another waiter: all of those named, or none.

    Requests and orders go with their sessions, unchanged. Repeating a finished
    transfer changes nothing.
    """
    result = services.waiter_service.transfer_sessions(
        from_waiter_id=waiter_id,
        to_waiter_id=call.body.to_waiter_id,
        session_ids=call.body.session_ids,
        cause=call.body.cause,
        reason=call.body.reason,
        actor=call.actor,
    )
    return Answer.of(200, Transfer.of(result))
