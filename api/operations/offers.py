"""Offers: handing tables over once the other waiter has agreed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from api.bodies import Body
from api.call import Answer, Call
from api.fields import Id
from api.lists import OfferList
from api.operation import Operation, Services
from api.problem_models import (
    NothingToOfferProblem,
    OfferSettledProblem,
    SessionOfferedProblem,
    TransferRefusedProblem,
    WaiterOffShiftProblem,
)
from api.resources import Offer
from waiter_service.floor.transfers import MAX_SESSIONS
from waiter_service.views import OfferUpdate


class OfferSessions(Body):
    """Offer tables to another waiter."""

    to_waiter_id: Id
    session_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_SESSIONS)] | None = Field(
        default=None, description="Default: all sessions on the waiter's floor."
    )


def _with_location(services: Services, call: Call[OfferSessions], answer: Answer) -> Answer:
    """Add where the offer is, also to the answer of a retry."""
    offer = Offer.model_validate_json(answer.body)
    return replace(answer, headers={**answer.headers, "Location": f"/api/offers/{offer.id}"})


@Operation(
    "POST",
    "/waiters/{waiterId}/offers",
    {200: Offer, 201: Offer},
    body=OfferSessions,
    conflicts=(
        SessionOfferedProblem,
        TransferRefusedProblem,
        NothingToOfferProblem,
        WaiterOffShiftProblem,
    ),
    staff_only=True,
    has_location=True,
    complete=_with_location,
    tag="offers",
)
def offer_sessions(services: Services, call: Call[OfferSessions], waiter_id: str) -> Answer:
    """Offer a waiter's sessions to another. Nothing moves until they accept.

    If an equal offer is open, the answer is that offer, with status 200.
    """
    result = services.waiter_service.offer_sessions(
        from_waiter_id=waiter_id,
        to_waiter_id=call.body.to_waiter_id,
        session_ids=call.body.session_ids,
        actor=call.actor,
    )
    return Answer.of(201 if result.changed else 200, Offer.of(result.offer))


@Operation("GET", "/offers", {200: OfferList}, staff_only=True, is_paged=True)
def list_offers(services: Services, call: Call[None]) -> Answer:
    """List the offers, newest first: waiters those they gave or received, managers all."""
    page = services.queries.offers(actor=call.actor, limit=call.limit, cursor=call.cursor)
    return Answer.of(200, OfferList.of(page))


@Operation("GET", "/offers/{offerId}", {200: Offer}, staff_only=True)
def read_offer(services: Services, call: Call[None], offer_id: str) -> Answer:
    """Read an offer."""
    return Answer.of(200, Offer.of(services.queries.offer(offer_id, actor=call.actor)))


@Operation(
    "POST",
    "/offers/{offerId}/accept",
    {200: Offer},
    conflicts=(OfferSettledProblem, TransferRefusedProblem, WaiterOffShiftProblem),
    staff_only=True,
)
def accept_offer(services: Services, call: Call[None], offer_id: str) -> Answer:
    """Accept an offer, as the waiter who received it: all its sessions move, or none.

    Accepting again changes nothing. If a session was closed or transferred in the meantime,
    `refused` names it, nothing moves, and the offer stays open.
    """
    return _settle(services.waiter_service.accept_offer, call, offer_id)


@Operation(
    "POST",
    "/offers/{offerId}/decline",
    {200: Offer},
    conflicts=(OfferSettledProblem,),
    staff_only=True,
)
def decline_offer(services: Services, call: Call[None], offer_id: str) -> Answer:
    """Decline an offer, as the waiter who received it. Declining again changes nothing."""
    return _settle(services.waiter_service.decline_offer, call, offer_id)


@Operation(
    "POST",
    "/offers/{offerId}/withdraw",
    {200: Offer},
    conflicts=(OfferSettledProblem,),
    staff_only=True,
)
def withdraw_offer(services: Services, call: Call[None], offer_id: str) -> Answer:
    """Withdraw an offer, as the waiter who made it. Withdrawing again changes nothing."""
    return _settle(services.waiter_service.withdraw_offer, call, offer_id)


def _settle(settle: Callable[..., OfferUpdate], call: Call[None], offer_id: str) -> Answer:
    return Answer.of(200, Offer.of(settle(offer_id, actor=call.actor).offer))
