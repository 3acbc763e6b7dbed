"""Venues: the restaurants of the deployment, a venue's floor, and its kitchen."""

from __future__ import annotations

from pydantic import Field

from api.bodies import Body
from api.call import Answer, Call
from api.fields import Id, VenueName
from api.lists import VenueList
from api.operation import Operation, Services
from api.resources import Venue
from api.snapshots import KitchenSnapshot, VenueFloorSnapshot
from notifications.errors import NotAllowed
from waiter_service.actors import ActorKind


class AddVenue(Body):
    """A restaurant joins the deployment, or changes its name or time zone."""

    id: Id
    name: VenueName | None = Field(default=None, description="Default: the id.")
    time_zone: str | None = Field(
        default=None,
        max_length=64,
        description="As in the IANA database. Default: UTC.",
        examples=["Europe/Berlin"],
    )


@Operation("GET", "/venues", {200: VenueList}, staff_only=True, is_paged=True)
def list_venues(services: Services, call: Call[None]) -> Answer:
    """List the venues that the caller works in, by id."""
    page = services.queries.venues(actor=call.actor, limit=call.limit, cursor=call.cursor)
    return Answer.of(200, VenueList.of(page))


@Operation("POST", "/venues", {200: Venue, 201: Venue}, body=AddVenue, staff_only=True)
def add_venue(services: Services, call: Call[AddVenue]) -> Answer:
    """Add a venue, or change the name and the time zone of an existing one.

    Managers of all venues add venues; a manager of one venue may change theirs.
    """
    if call.actor.kind is not ActorKind.MANAGER:
        raise NotAllowed("This is for managers.")
    added = services.waiter_service.add_venue(
        call.body.id, call.body.name, time_zone=call.body.time_zone, actor=call.actor
    )
    return Answer.of(201 if added.created else 200, Venue.of(added.venue))


@Operation("GET", "/venues/{venueId}", {200: Venue}, staff_only=True)
def read_venue(services: Services, call: Call[None], venue_id: str) -> Answer:
    """Read a venue."""
    return Answer.of(200, Venue.of(services.queries.venue(venue_id, actor=call.actor)))


@Operation(
    "GET",
    "/venues/{venueId}/floor",
    {200: VenueFloorSnapshot},
    staff_only=True,
    for_screens=True,
    is_paged=True,
)
def read_venue_floor(services: Services, call: Call[None], venue_id: str) -> Answer:
    """Read a venue's floor: its sessions, what is open in each, and who is on shift.

    For managers, and for displays, which see no notes.
    """
    cursor, floor = services.cursors.read(
        "floor",
        venue_id,
        call.actor,
        lambda: services.queries.venue_floor(
            venue_id, actor=call.actor, limit=call.limit, cursor=call.cursor
        ),
    )
    streams = services.presence.waiter_streams(venue_id)
    return Answer.of(200, VenueFloorSnapshot.of(floor, call.actor, cursor, streams))


@Operation(
    "GET",
    "/venues/{venueId}/kitchen",
    {200: KitchenSnapshot},
    staff_only=True,
    for_screens=True,
    is_paged=True,
)
def read_kitchen(services: Services, call: Call[None], venue_id: str) -> Answer:
    """Read a venue's kitchen: its orders from New to Complete, oldest first.

    For the kitchen and for managers.
    """
    cursor, kitchen = services.cursors.read(
        "kitchen",
        venue_id,
        call.actor,
        lambda: services.queries.venue_kitchen(
            venue_id, actor=call.actor, limit=call.limit, cursor=call.cursor
        ),
    )
    return Answer.of(200, KitchenSnapshot.of(kitchen, call.actor, cursor))
