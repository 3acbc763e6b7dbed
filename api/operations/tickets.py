"""Requests and orders: raising them, and moving them to another status."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.bodies import Body
from api.call import Answer, Call
from api.fields import (
    AnyOrderStatus,
    AnyRequestStatus,
    DishName,
    ExpectedVersion,
    Kind,
    Quantity,
    Words,
)
from api.filters import OLDER_THAN, ORDER_STATUS, REQUEST_STATUS, SESSION, VENUE
from api.lists import OrderList, RequestList
from api.operation import Operation, Services
from api.problem_models import (
    SessionClosedProblem,
    StatusConflictProblem,
    TooMuchUnfinishedProblem,
)
from api.resources import Order, Request
from waiter_service.errors import IdTaken
from waiter_service.inputs import MAX_LINES_PER_ORDER


class CreateRequest(Body):
    """Make a request."""

    kind: Kind
    note: Words | None = None


class OrderLine(Body):
    """A dish and its quantity."""

    name: DishName
    quantity: Quantity


class PlaceOrder(Body):
    """Place an order."""

    items: Annotated[list[OrderLine], Field(min_length=1, max_length=MAX_LINES_PER_ORDER)]
    note: Words | None = None


class ChangeStatus(Body):
    """What moving a request and moving an order have in common."""

    expected_version: ExpectedVersion | None = Field(
        default=None,
        description="The version that you read. The move is refused if there is a newer one.",
    )
    reason: Words | None = Field(default=None, description="Recorded in the audit log.")


class ChangeRequestStatus(ChangeStatus):
    """Move a request to another status."""

    status: AnyRequestStatus


class ChangeOrderStatus(ChangeStatus):
    """Move an order to another status."""

    status: AnyOrderStatus


@Operation(
    "POST",
    "/sessions/{sessionId}/requests",
    {200: Request, 201: Request},
    body=CreateRequest,
    conflicts=(SessionClosedProblem, TooMuchUnfinishedProblem),
)
def create_request(services: Services, call: Call[CreateRequest], session_id: str) -> Answer:
    """Ask for something, such as water or the bill.

    Answers 200 with the open request if there is already one of this kind, otherwise
    201 with a new one.
    """
    chosen_id = call.chosen_id("request")
    try:
        made = services.waiter_service.create_request(
            session_id,
            call.body.kind,
            note=call.body.note,
            request_id=chosen_id,
            actor=call.actor,
        )
        request, is_new = made.request, made.created or made.request.id == chosen_id
    except IdTaken:
        request, is_new = services.queries.request(str(chosen_id), actor=call.actor), True
    return Answer.of(201 if is_new else 200, Request.of(request, call.actor))


@Operation(
    "POST",
    "/sessions/{sessionId}/orders",
    {201: Order},
    body=PlaceOrder,
    conflicts=(SessionClosedProblem, TooMuchUnfinishedProblem),
)
def place_order(services: Services, call: Call[PlaceOrder], session_id: str) -> Answer:
    """Place an order."""
    chosen_id = call.chosen_id("order")
    try:
        order = services.waiter_service.place_order(
            session_id,
            [line.model_dump() for line in call.body.items],
            note=call.body.note,
            order_id=chosen_id,
            actor=call.actor,
        )
    except IdTaken:
        order = services.queries.order(str(chosen_id), actor=call.actor)
    return Answer.of(201, Order.of(order, call.actor))


@Operation(
    "PATCH",
    "/requests/{requestId}",
    {200: Request},
    body=ChangeRequestStatus,
    conflicts=(StatusConflictProblem, SessionClosedProblem),
)
def change_request_status(
    services: Services, call: Call[ChangeRequestStatus], request_id: str
) -> Answer:
    """Move a request to another status; moving it to its current status changes nothing.

    Any spelling of a status is understood: in_progress, in-progress, InProgress.
    """
    result = services.waiter_service.update_request_status(
        request_id,
        call.body.status,
        actor=call.actor,
        expected_version=call.body.expected_version,
        reason=call.body.reason,
    )
    return Answer.of(200, Request.of(result.request, call.actor))


@Operation(
    "PATCH",
    "/orders/{orderId}",
    {200: Order},
    body=ChangeOrderStatus,
    conflicts=(StatusConflictProblem, SessionClosedProblem),
)
def change_order_status(services: Services, call: Call[ChangeOrderStatus], order_id: str) -> Answer:
    """Move an order to another status; moving it to its current status changes nothing.

    Any spelling of a status is understood: in_progress, in-progress, InProgress.
    """
    result = services.waiter_service.update_order_status(
        order_id,
        call.body.status,
        actor=call.actor,
        expected_version=call.body.expected_version,
        reason=call.body.reason,
    )
    return Answer.of(200, Order.of(result.order, call.actor))


@Operation(
    "GET",
    "/requests",
    {200: RequestList},
    staff_only=True,
    is_paged=True,
    filters=(REQUEST_STATUS, VENUE, SESSION, OLDER_THAN),
)
def list_requests(services: Services, call: Call[None]) -> Answer:
    """List requests: those in progress, oldest first, and then the rest, newest first.

    Waiters get those of their sessions, managers those of their venue.
    """
    page = services.queries.requests(
        actor=call.actor, limit=call.limit, cursor=call.cursor, **call.filters
    )
    return Answer.of(200, RequestList.of(page, call.actor))


@Operation(
    "GET",
    "/orders",
    {200: OrderList},
    staff_only=True,
    is_paged=True,
    filters=(ORDER_STATUS, VENUE, SESSION, OLDER_THAN),
)
def list_orders(services: Services, call: Call[None]) -> Answer:
    """List orders: those in progress, oldest first, and then the rest, newest first.

    Waiters get those of their sessions, managers those of their venue.
    """
    page = services.queries.orders(
        actor=call.actor, limit=call.limit, cursor=call.cursor, **call.filters
    )
    return Answer.of(200, OrderList.of(page, call.actor))


@Operation("GET", "/requests/{requestId}", {200: Request})
def read_request(services: Services, call: Call[None], request_id: str) -> Answer:
    """Read a request."""
    view = services.queries.request(request_id, actor=call.actor)
    is_open = services.queries.is_open(view.session_id, actor=call.actor)
    return Answer.of(200, Request.of(view, call.actor, is_open=is_open))


@Operation("GET", "/orders/{orderId}", {200: Order})
def read_order(services: Services, call: Call[None], order_id: str) -> Answer:
    """Read an order."""
    view = services.queries.order(order_id, actor=call.actor)
    is_open = services.queries.is_open(view.session_id, actor=call.actor)
    return Answer.of(200, Order.of(view, call.actor, is_open=is_open))
