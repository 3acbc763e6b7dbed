"""Shifts: who is at work."""

from __future__ import annotations

from pydantic import Field

from api.bodies import Body
from api.call import Answer, Call
from api.fields import Id, Words
from api.operation import Operation, Services
from api.problem_models import TablesInHandProblem, WaiterOffShiftProblem
from api.resources import Waiter


class EndShift(Body):
    """End a shift."""

    to_waiter_id: Id | None = Field(
        default=None, description="The waiter who takes over all tables in hand."
    )
    reason: Words | None = Field(default=None, description="Recorded in the audit log.")


@Operation("POST", "/waiters/{waiterId}/shift/start", {200: Waiter}, staff_only=True)
def start_shift(services: Services, call: Call[None], waiter_id: str) -> Answer:
    """Start a waiter's shift. A shift that has started does not change.

    Waiters start their own shift, managers those of their venue. From the first shift of a
    venue on, waiters off shift are given no tables there.
    """
    result = services.waiter_service.start_shift(waiter_id, actor=call.actor)
    return Answer.of(200, Waiter.of(result.waiter))


@Operation(
    "POST",
    "/waiters/{waiterId}/shift/end",
    {200: Waiter},
    body=EndShift,
    body_is_optional=True,
    conflicts=(TablesInHandProblem, WaiterOffShiftProblem),
    staff_only=True,
)
def end_shift(services: Services, call: Call[EndShift | None], waiter_id: str) -> Answer:
    """End a waiter's shift. A shift that has ended does not change.

    With tables in hand it is refused, unless `toWaiterId` takes over all of them. Open offers
    from and to the waiter are withdrawn.
    """
    to_waiter_id, reason = (call.body.to_waiter_id, call.body.reason) if call.body else (None, None)
    result = services.waiter_service.end_shift(
        waiter_id, to_waiter_id=to_waiter_id, reason=reason, actor=call.actor
    )
    return Answer.of(200, Waiter.of(result.waiter))
