"""What can be asked of the API: the one list that is both served and documented."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from waiter_service.actors import Actor
from waiter_service.api.bodies import (
    Body,
    ChangeOrderStatus,
    ChangeRequestStatus,
    CloseSession,
    CreateRequest,
    OpenSession,
    PlaceOrder,
    ReopenSession,
    TransferSessions,
)
from waiter_service.api.call import Answer
from waiter_service.api.errors import NotAllowed
from waiter_service.api.floor_api import FloorApi
from waiter_service.api.problem_models import (
    OrdersUnfinishedProblem,
    Problem,
    SessionClosedProblem,
    StatusConflictProblem,
    TableOccupiedProblem,
    TooMuchUnfinishedProblem,
    TransferRefusedProblem,
)
from waiter_service.api.resources import (
    Floor,
    Order,
    Request,
    Resource,
    SeatedSession,
    Session,
    TableSnapshot,
    Transfer,
    WaiterAnalytics,
)

AnyHandler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path.

    Args:
        path: below /api, with parameters as OpenAPI spells them.
        handle: of a ``FloorApi``, a call and the path's parameters, makes the answer.
        answers: what it succeeds with, by status.
        body: what must be sent; ``None`` if nothing is.
        body_is_optional: nothing may be sent instead.
        conflicts: what a 409 may look like.
        staff_only: never for guests.
        has_location: it answers with the place of what it has made.
        complete: adds to an answer what is made anew each time and never stored.
    """

    method: Literal["GET", "POST", "PATCH"]
    path: str
    handle: AnyHandler
    answers: Mapping[int, type[Resource]]
    body: type[Body] | None = None
    body_is_optional: bool = False
    conflicts: tuple[type[Problem], ...] = ()
    staff_only: bool = False
    has_location: bool = False
    complete: Callable[[FloorApi, Answer], Answer] = field(default=lambda _api, answer: answer)

    @property
    def name(self) -> str:
        """The handler's name, such as ``open_session``."""
        return self.handle.__name__

    @property
    def summary(self) -> str:
        return self._doc[0].removesuffix(".")

    @property
    def description(self) -> str | None:
        return "\n".join(self._doc[2:]) or None

    @property
    def is_retried_safely(self) -> bool:
        """It heeds an Idempotency-Key; everything but a POST may be repeated as it is."""
        return self.method == "POST"

    def require_role(self, actor: Actor) -> None:
        """Raise ``NotAllowed`` when this is never for such as ``actor``."""
        if self.staff_only and actor.is_guest:
            raise NotAllowed("This is for the restaurant's staff.")

    @property
    def _doc(self) -> list[str]:
        return (inspect.getdoc(self.handle) or "").splitlines()


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/sessions",
        FloorApi.open_session,
        {201: SeatedSession},
        body=OpenSession,
        conflicts=(TableOccupiedProblem,),
        staff_only=True,
        has_location=True,
        complete=FloorApi.seat,
    ),
    Operation("GET", "/sessions/{sessionId}", FloorApi.read_session, {200: TableSnapshot}),
    Operation(
        "POST",
        "/sessions/{sessionId}/close",
        FloorApi.close_session,
        {200: Session},
        body=CloseSession,
        body_is_optional=True,
        conflicts=(OrdersUnfinishedProblem,),
        staff_only=True,
    ),
    Operation(
        "POST",
        "/sessions/{sessionId}/reopen",
        FloorApi.reopen_session,
        {200: Session},
        body=ReopenSession,
        body_is_optional=True,
        conflicts=(TableOccupiedProblem,),
        staff_only=True,
    ),
    Operation(
        "POST",
        "/sessions/{sessionId}/requests",
        FloorApi.create_request,
        {200: Request, 201: Request},
        body=CreateRequest,
        conflicts=(SessionClosedProblem, TooMuchUnfinishedProblem),
    ),
    Operation(
        "POST",
        "/sessions/{sessionId}/orders",
        FloorApi.place_order,
        {201: Order},
        body=PlaceOrder,
        conflicts=(SessionClosedProblem, TooMuchUnfinishedProblem),
    ),
    Operation(
        "PATCH",
        "/requests/{requestId}",
        FloorApi.change_request_status,
        {200: Request},
        body=ChangeRequestStatus,
        conflicts=(StatusConflictProblem, SessionClosedProblem),
    ),
    Operation(
        "PATCH",
        "/orders/{orderId}",
        FloorApi.change_order_status,
        {200: Order},
        body=ChangeOrderStatus,
        conflicts=(StatusConflictProblem, SessionClosedProblem),
    ),
    Operation(
        "GET", "/waiters/{waiterId}/floor", FloorApi.read_floor, {200: Floor}, staff_only=True
    ),
    Operation(
        "GET",
        "/waiters/{waiterId}/analytics",
        FloorApi.read_analytics,
        {200: WaiterAnalytics},
        staff_only=True,
    ),
    Operation(
        "POST",
        "/waiters/{waiterId}/transfers",
        FloorApi.transfer_sessions,
        {200: Transfer},
        body=TransferSessions,
        conflicts=(TransferRefusedProblem,),
        staff_only=True,
    ),
)
