"""How guests get to their table: by its code, each with a token of their own."""

from __future__ import annotations

import io
from typing import Annotated

import segno
from pydantic import Field

from api.bodies import Body
from api.call import Answer, Call
from api.operation import Operation, Services
from api.problem_models import SessionClosedProblem
from api.resources import GuestJoin, GuestJoins, JoinedSession, Revoked, TableCode
from notifications.errors import NotAllowed
from waiter_service.actors import ActorKind

TAG = "joining"


class JoinTable(Body):
    """A guest has read or scanned the code of a table."""

    code: Annotated[
        str,
        Field(
            description="In any case, with or without hyphens. O is read as 0, I and L as 1.",
            examples=["7K3M-Q9XT-0VHB"],
        ),
    ]


@Operation(
    "POST",
    "/join",
    {200: JoinedSession},
    body=JoinTable,
    is_public=True,
    takes_key=False,
    tag=TAG,
)
def join_table(services: Services, call: Call[JoinTable]) -> Answer:
    """Join a table by its code, and get a token.

    Wrong, ended and used-up codes get the same answer. An address that sends too many of
    them is told to wait; a right code from there is still accepted.
    """
    return Answer.of(200, services.desk.join(call.body.code, call.address))


@Operation(
    "POST",
    "/sessions/{sessionId}/join-code",
    {201: TableCode},
    conflicts=(SessionClosedProblem,),
    staff_only=True,
    takes_key=False,
    tag=TAG,
)
def make_join_code(services: Services, call: Call[None], session_id: str) -> Answer:
    """Make a new code for a table; the old code ends, and guests who have joined stay."""
    return Answer.of(201, services.desk.make_code(session_id, call.actor))


@Operation(
    "GET",
    "/sessions/{sessionId}/join-code",
    {200: TableCode},
    staff_only=True,
    tag=TAG,
)
def read_join_code(services: Services, call: Call[None], session_id: str) -> Answer:
    """Read the code of a table."""
    return Answer.of(200, services.desk.current_code(session_id, call.actor))


@Operation(
    "GET",
    "/sessions/{sessionId}/join-code.svg",
    {200: TableCode},
    staff_only=True,
    content_type="image/svg+xml",
    tag=TAG,
)
def draw_join_code(services: Services, call: Call[None], session_id: str) -> Answer:
    """Get the code of a table as a QR code, with the page to join by if one is set."""
    code = services.desk.current_code(session_id, call.actor)
    drawing = io.BytesIO()
    # "m": legible with a seventh of it under a coffee stain.
    drawn = segno.make(code.join_url or code.join_code, error="m", micro=False)
    drawn.save(drawing, kind="svg", scale=8, title=f"Join with {code.join_code}")
    return Answer(200, drawing.getvalue().decode(), content_type="image/svg+xml")


@Operation("GET", "/sessions/{sessionId}/joins", {200: GuestJoins}, staff_only=True, tag=TAG)
def list_joins(services: Services, call: Call[None], session_id: str) -> Answer:
    """List the guests who have joined a table, with time and address."""
    joins = services.desk.codes.joins(session_id, actor=call.actor)
    return Answer.of(200, GuestJoins(joins=[GuestJoin.model_validate(each) for each in joins]))


@Operation(
    "POST",
    "/sessions/{sessionId}/joins/{jti}/revoke",
    {200: Revoked},
    staff_only=True,
    takes_key=False,
    tag=TAG,
)
def revoke_join(services: Services, call: Call[None], session_id: str, token_id: str) -> Answer:
    """Withdraw the access of one guest; the others stay. For managers."""
    services.desk.codes.require_join(session_id, token_id, actor=call.actor)
    if call.actor.kind is not ActorKind.MANAGER:
        raise NotAllowed("This is for managers.")
    services.desk.revocations.revoke_token(token_id)
    return Answer.of(200, Revoked(jti=token_id))
