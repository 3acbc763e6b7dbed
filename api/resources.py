"""What clients are answered: sessions, tickets and waiters, as one actor may see them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.fields import (
    DishName,
    Id,
    Kind,
    Quantity,
    TableNumber,
    Timestamp,
    VenueName,
    Version,
    WaiterName,
    Words,
)
from waiter_service.actors import Actor
from waiter_service.offer_outcome import OfferOutcome
from waiter_service.reading.analytics import Analytics
from waiter_service.statuses import OrderStatus, RequestStatus
from waiter_service.views import (
    OfferView,
    OrderView,
    RequestView,
    SessionView,
    TransferResult,
    VenueView,
    WaiterView,
)

_ALLOWED = "The statuses that the caller may set now, usual ones first and undo last."


class Resource(BaseModel):
    """A JSON object in camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        from_attributes=True,
        frozen=True,
        # Answers always have all fields, so those with a default are required too.
        json_schema_mode_override="serialization",
    )


def parts_of(view: Any) -> dict[str, Any]:
    """Return a view's fields by name."""
    # Not asdict(): it copies every datetime, which is half the time of a full floor.
    return {field.name: getattr(view, field.name) for field in fields(view)}


class SessionFields(Resource):
    """A session itself; ``closedAt`` is null while guests are there."""

    id: Id
    venue_id: Id
    table_number: TableNumber
    waiter_id: Id
    version: Version
    opened_at: Timestamp
    closed_at: Timestamp | None


class Session(SessionFields):
    """Guests at a table."""

    @classmethod
    def of(cls, view: SessionView) -> Session:
        return Session(**parts_of(view))


class Venue(Resource):
    """A restaurant of the deployment."""

    id: Id
    name: VenueName
    time_zone: str = Field(description="As in the IANA database.", examples=["Europe/Berlin"])

    @classmethod
    def of(cls, view: VenueView) -> Venue:
        return Venue(**parts_of(view))


class Waiter(Resource):
    """A waiter, who can hold sessions; ``onShiftSince`` is null while they are off shift."""

    id: Id
    venue_id: Id
    name: WaiterName
    on_shift: bool
    on_shift_since: Timestamp | None

    @classmethod
    def of(cls, view: WaiterView) -> Waiter:
        return Waiter(**parts_of(view), on_shift=view.is_on_shift)


class Offer(Resource):
    """An offer to hand tables over; ``outcome`` is null while it is open."""

    id: Id
    venue_id: Id
    from_waiter_id: Id
    to_waiter_id: Id
    session_ids: list[Id]
    outcome: OfferOutcome | None
    created_at: Timestamp
    expires_at: Timestamp
    settled_at: Timestamp | None
    version: Version

    @classmethod
    def of(cls, view: OfferView) -> Offer:
        return Offer(**parts_of(view) | {"session_ids": list(view.session_ids)})


class Ticket(Resource):
    """What a request and an order have in common."""

    id: Id
    session_id: Id
    note: Words | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
    acknowledged_at: Timestamp | None
    acknowledged_by: str | None = Field(description="The first staff member who accepted it.")
    completed_at: Timestamp | None


class Request(Ticket):
    """What guests have asked for."""

    kind: Kind
    status: RequestStatus
    allowed: list[RequestStatus] = Field(description=_ALLOWED)

    @classmethod
    def of(cls, view: RequestView, actor: Actor, *, is_open: bool = True) -> Self:
        """Return ``view`` as ``actor`` may see it; ``is_open`` is its session."""
        moves = view.allowed_moves(actor.kind) if _may_move(actor, is_open) else ()
        return cls(**parts_of(view), allowed=list(moves))


class OrderItem(Resource):
    """A dish and its quantity."""

    name: DishName
    quantity: Quantity


class Order(Ticket):
    """What guests have ordered."""

    items: list[OrderItem]
    item_count: int = Field(ge=1, description="The sum of all quantities.")
    status: OrderStatus
    allowed: list[OrderStatus] = Field(description=_ALLOWED)

    @classmethod
    def of(cls, view: OrderView, actor: Actor, *, is_open: bool = True) -> Self:
        """Return ``view`` as ``actor`` may see it; ``is_open`` is its session."""
        moves = view.allowed_moves(actor.kind) if _may_move(actor, is_open) else ()
        return cls(**parts_of(view), allowed=list(moves))


def _may_move(actor: Actor, session_is_open: bool) -> bool:
    # Staff may still finish what is left after the guests have gone.
    return session_is_open or not actor.is_guest


class TableCode(Resource):
    """The code that guests join a table by. It is for them alone: show it, never store it."""

    join_code: str = Field(examples=["7K3M-Q9XT-0VHB"])
    join_code_expires_at: Timestamp
    join_url: str | None = Field(description="The page to join by, if JOIN_URL is set.")


class SeatedSession(Resource):
    """A session that was just opened, and the code that guests join by.

    If the session has been closed since, a retry is answered without a code.
    """

    session: Session
    join_code: str | None = Field(examples=["7K3M-Q9XT-0VHB"])
    join_code_expires_at: Timestamp | None
    join_url: str | None = Field(description="The page to join by, if JOIN_URL is set.")

    @classmethod
    def of(cls, session: Session, code: TableCode | None) -> SeatedSession:
        return SeatedSession(
            session=session,
            join_code=code.join_code if code else None,
            join_code_expires_at=code.join_code_expires_at if code else None,
            join_url=code.join_url if code else None,
        )


class JoinedSession(Resource):
    """What a guest gets on joining: the session and the guest's own token."""

    session: Session
    token: str = Field(description="The guest's own token. Send it as Authorization: Bearer.")
    expires_at: Timestamp = Field(description="When the token ends.")


class GuestJoin(Resource):
    """A guest who has joined; their access can be withdrawn by ``jti``."""

    jti: str
    joined_at: Timestamp
    address: str


class GuestJoins(Resource):
    """The guests who have joined a table, oldest first."""

    joins: list[GuestJoin]


class Revoked(Resource):
    """Access that was withdrawn just now."""

    jti: str


class Figures(Resource):
    """Figures of requests or orders; an average is null if there is nothing to average."""

    total: int
    by_status: dict[str, int] = Field(description="Every status with its count, which may be 0.")
    average_seconds_to_acknowledge: float | None
    average_seconds_to_complete: float | None


class WaiterAnalytics(Resource):
    """The figures of all sessions a waiter holds, or held when they were closed."""

    waiter_id: Id
    open_sessions: int
    closed_sessions: int
    items_ordered: int
    requests: Figures
    orders: Figures

    @classmethod
    def of(cls, waiter_id: str, analytics: Analytics) -> WaiterAnalytics:
        return WaiterAnalytics(waiter_id=waiter_id, **parts_of(analytics))


class Transfer(Resource):
    """The sessions that were transferred now, and those that the waiter had already."""

    to_waiter_id: Id
    moved: list[Session]
    already_there: list[Session]

    @classmethod
    def of(cls, result: TransferResult) -> Transfer:
        return Transfer(
            to_waiter_id=result.to_waiter_id,
            moved=[Session.of(each) for each in result.moved],
            already_there=[Session.of(each) for each in result.already_there],
        )
