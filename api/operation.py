"""What can be asked of the API: the one list that is both served and documented."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from api.bodies import (
    AddWaiter,
    Body,
    ChangeOrderStatus,
    ChangeRequestStatus,
    CloseSession,
    CreateRequest,
    JoinTable,
    OpenSession,
    PlaceOrder,
    ReopenSession,
    TransferSessions,
)
from api.call import Answer, Call
from api.floor_api import FloorApi
from api.joining import JoinDesk
from api.problem_models import (
    OrdersUnfinishedProblem,
    Problem,
    SessionClosedProblem,
    StatusConflictProblem,
    TableOccupiedProblem,
    TooManySessionsProblem,
    TooMuchUnfinishedProblem,
    TransferRefusedProblem,
)
from api.resources import (
    Floor,
    GuestJoins,
    JoinedSession,
    Order,
    Request,
    Resource,
    Revoked,
    SeatedSession,
    Session,
    SessionList,
    TableCode,
    TableSnapshot,
    Transfer,
    Waiter,
    WaiterAnalytics,
    WaiterList,
)
from notifications.errors import NotAllowed
from waiter_service.actors import Actor

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
        is_paged: it heeds ``limit`` and ``cursor``.
        heeds_table: it heeds ``table``.
        complete: adds to an answer what must not be stored, for whoever asks now.
        of: whose method ``handle`` is.
        is_public: needs no token.
        heeds_key: a POST with an Idempotency-Key is done once; not where the answer
            is a secret, which must not be stored.
        content_type: of the answer.
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
    is_paged: bool = False
    heeds_table: bool = False
    complete: Callable[[FloorApi, Call[Any], Answer], Answer] = field(
        default=lambda _api, _call, answer: answer
    )
    of: type[FloorApi] | type[JoinDesk] = FloorApi
    is_public: bool = False
    heeds_key: bool = True
    content_type: str = "application/json"

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
    def parameters(self) -> tuple[str, ...]:
        """What its query may have."""
        of_page = ("limit", "cursor") if self.is_paged else ()
        return ("table", *of_page) if self.heeds_table else of_page

    @property
    def is_retried_safely(self) -> bool:
        """It heeds an Idempotency-Key; everything but a POST may be repeated as it is."""
        return self.method == "POST" and self.heeds_key

    def require_role(self, actor: Actor) -> None:
        """Raise ``NotAllowed`` when this is never for such as ``actor``."""
        if self.staff_only and actor.is_guest:
            raise NotAllowed("This is for the restaurant's staff.")

    def require_still_allowed(self, api: FloorApi, actor: Actor, ids: Mapping[str, str]) -> None:
        """Raise ``Missing`` when a kept answer is no longer for ``actor``.

        A waiter who has given a table away must not hear of it again.
        """
        if "sessionId" in ids:
            api.require_session(ids["sessionId"], actor)

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
        conflicts=(TableOccupiedProblem, TooManySessionsProblem),
        staff_only=True,
        has_location=True,
        complete=FloorApi.seat,
    ),
    Operation(
        "GET",
        "/sessions",
        FloorApi.list_sessions,
        {200: SessionList},
        staff_only=True,
        is_paged=True,
        heeds_table=True,
    ),
    Operation(
        "POST",
        "/join",
        JoinDesk.join_table,
        {200: JoinedSession},
        body=JoinTable,
        of=JoinDesk,
        is_public=True,
        heeds_key=False,
    ),
    Operation(
        "POST",
        "/sessions/{sessionId}/join-code",
        JoinDesk.make_join_code,
        {201: TableCode},
        conflicts=(SessionClosedProblem,),
        staff_only=True,
        of=JoinDesk,
        heeds_key=False,
    ),
    Operation(
        "GET",
        "/sessions/{sessionId}/join-code",
        JoinDesk.read_join_code,
        {200: TableCode},
        staff_only=True,
        of=JoinDesk,
    ),
    Operation(
        "GET",
        "/sessions/{sessionId}/join-code.svg",
        JoinDesk.draw_join_code,
        {200: TableCode},
        staff_only=True,
        of=JoinDesk,
        content_type="image/svg+xml",
    ),
    Operation(
        "GET",
        "/sessions/{sessionId}/joins",
        JoinDesk.list_joins,
        {200: GuestJoins},
        staff_only=True,
        of=JoinDesk,
    ),
    Operation(
        "POST",
        "/sessions/{sessionId}/joins/{jti}/revoke",
        JoinDesk.revoke_join,
        {200: Revoked},
        staff_only=True,
        of=JoinDesk,
        heeds_key=False,
    ),
    Operation(
        "GET", "/sessions/{sessionId}", FloorApi.read_session, {200: TableSnapshot}, is_paged=True
    ),
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
        conflicts=(TableOccupiedProblem, TooManySessionsProblem),
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
        "GET",
        "/waiters",
        FloorApi.list_waiters,
        {200: WaiterList},
        staff_only=True,
        is_paged=True,
    ),
    Operation(
        "POST",
        "/waiters",
        FloorApi.add_waiter,
        {200: Waiter, 201: Waiter},
        body=AddWaiter,
        staff_only=True,
    ),
    Operation(
        "GET",
        "/waiters/{waiterId}/floor",
        FloorApi.read_floor,
        {200: Floor},
        staff_only=True,
        is_paged=True,
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
