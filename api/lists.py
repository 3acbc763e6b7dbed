"""Lists, a page at a time. ``next`` leads to the page that follows."""

from __future__ import annotations

from pydantic import Field

from api.fields import Timestamp, Version
from api.resources import Offer, Order, Request, Resource, Session, Venue, Waiter, parts_of
from waiter_service.actors import Actor, ActorKind
from waiter_service.pacing import paced
from waiter_service.reading.lists import AuditPage, SessionPage, VenuePage, WaiterPage
from waiter_service.reading.offer_list import OfferPage
from waiter_service.reading.ticket_lists import OrderPage, RequestPage
from waiter_service.views import AuditView

_NEXT = "Send it as ?cursor=<next> to get the next page; null on the last page."


class VenueList(Resource):
    """Venues, by id."""

    venues: list[Venue]
    next: str | None = Field(description=_NEXT)

    @classmethod
    def of(cls, page: VenuePage) -> VenueList:
        return VenueList(venues=[Venue.of(each) for each in page.venues], next=page.next)


class WaiterList(Resource):
    """Waiters, by id."""

    waiters: list[Waiter]
    next: str | None = Field(description=_NEXT)

    @classmethod
    def of(cls, page: WaiterPage) -> WaiterList:
        return WaiterList(waiters=[Waiter.of(each) for each in page.waiters], next=page.next)


class SessionList(Resource):
    """Sessions: open ones by venue and table, others with the newest first."""

    sessions: list[Session]
    next: str | None = Field(description=_NEXT)

    @classmethod
    def of(cls, page: SessionPage) -> SessionList:
        return SessionList(sessions=[Session.of(each) for each in page.sessions], next=page.next)


class OfferList(Resource):
    """Offers, newest first."""

    offers: list[Offer]
    next: str | None = Field(description=_NEXT)

    @classmethod
    def of(cls, page: OfferPage) -> OfferList:
        return OfferList(offers=[Offer.of(each) for each in page.offers], next=page.next)


class RequestList(Resource):
    """Requests: those in progress, oldest first, and then the rest, newest first."""

    requests: list[Request]
    next: str | None = Field(description=_NEXT)

    @classmethod
    def of(cls, page: RequestPage, actor: Actor) -> RequestList:
        return RequestList(
            requests=[Request.of(each, actor) for each in paced(page.requests)], next=page.next
        )


class OrderList(Resource):
    """Orders: those in progress, oldest first, and then the rest, newest first."""

    orders: list[Order]
    next: str | None = Field(description=_NEXT)

    @classmethod
    def of(cls, page: OrderPage, actor: Actor) -> OrderList:
        return OrderList(
            orders=[Order.of(each, actor) for each in paced(page.orders)], next=page.next
        )


class AuditEntry(Resource):
    """One thing that happened in a session: who did it, when, and why."""

    occurred_at: Timestamp
    actor_kind: ActorKind
    actor_id: str
    action: str = Field(description="The kind of change.", examples=["order_status"])
    subject_kind: str = Field(description="What was changed.", examples=["order"])
    subject_id: str
    from_value: str | None = Field(
        description="A status; or a waiter or a table, if the session changed hands or moved."
    )
    to_value: str | None
    version: Version = Field(description="The version that the changed thing reached.")
    reason: str | None

    @classmethod
    def of(cls, view: AuditView) -> AuditEntry:
        return AuditEntry(**parts_of(view))


class AuditList(Resource):
    """What happened in a session and to its requests and orders, oldest first."""

    audit: list[AuditEntry]
    next: str | None = Field(description=_NEXT)

    @classmethod
    def of(cls, page: AuditPage) -> AuditList:
        return AuditList(audit=[AuditEntry.of(each) for each in page.audit], next=page.next)
