"""Venues: a venue's floor, and its kitchen."""

from __future__ import annotations

from api.call import Answer, Call
from api.operation import Operation, Services
from api.snapshots import KitchenSnapshot, VenueFloorSnapshot


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
