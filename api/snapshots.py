"""What a screen loads once before it follows a stream: a table, a floor or a kitchen."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from api.fields import Id, TableNumber, Timestamp
from api.resources import Order, Request, Resource, SessionFields, Waiter, parts_of
from waiter_service.actors import Actor, ActorKind
from waiter_service.pacing import paced
from waiter_service.reading.snapshots import (
    SessionSnapshot,
    VenueFloor,
    VenueKitchen,
    WaiterFloor,
)

_CURSOR = (
    "Open the stream with ?lastEventId=<cursor>: it continues where this ends, without a gap. "
    "Something that this already shows may come again; drop it if its version is not higher."
)


class Table(SessionFields):
    """A session with its requests and orders, oldest first."""

    requests: list[Request]
    orders: list[Order]

    @classmethod
    def seen_by(cls, actor: Actor, snapshot: SessionSnapshot) -> Table:
        is_open = snapshot.session.is_open
        table = Table(
            **parts_of(snapshot.session),
            requests=[
                Request.of(each, actor, is_open=is_open) for each in paced(snapshot.requests)
            ],
            orders=[Order.of(each, actor, is_open=is_open) for each in paced(snapshot.orders)],
        )
        return table.without_notes() if actor.kind is ActorKind.DISPLAY else table

    def without_notes(self) -> Table:
        """Return the same as a screen on the wall may show it: everybody can read that."""
        hidden = {"note": None}
        return self.model_copy(
            update={
                "requests": [each.model_copy(update=hidden) for each in self.requests],
                "orders": [each.model_copy(update=hidden) for each in self.orders],
            }
        )


class TableSnapshot(Table):
    """A session, what is open in it and was finished last, and where its stream continues."""

    taken_at: Timestamp = Field(description="The server's time, to show how old things are.")
    cursor: str = Field(description=_CURSOR, examples=["k3f9a1-42"])
    next: str | None = Field(
        description="Send it as ?cursor=<next> to get what was finished earlier, newest first; "
        "null if there is no more."
    )

    @classmethod
    def of(cls, snapshot: SessionSnapshot, actor: Actor, cursor: str) -> TableSnapshot:
        table = Table.seen_by(actor, snapshot)
        return TableSnapshot(
            **dict(table), taken_at=snapshot.taken_at, cursor=cursor, next=snapshot.next
        )


class Floor(Resource):
    """A waiter's sessions by table, what is open in each, and where the stream continues.

    A session that was closed stays as long as orders in it are unfinished. A Completed
    request stays until it is Done, so that the completion can be undone.
    """

    waiter_id: Id
    waiter_name: str
    sessions: list[Table]
    taken_at: Timestamp = Field(description="The server's time, to show how old things are.")
    cursor: str = Field(description=_CURSOR, examples=["k3f9a1-42"])
    next: str | None = Field(
        description="Send it as ?cursor=<next> to get the rest of a very full floor, which may "
        "continue the last of these sessions; usually null: this is all."
    )

    @classmethod
    def of(cls, floor: WaiterFloor, actor: Actor, cursor: str) -> Floor:
        return Floor(
            waiter_id=floor.waiter_id,
            waiter_name=floor.waiter_name,
            sessions=[Table.seen_by(actor, each) for each in paced(floor.sessions)],
            taken_at=floor.taken_at,
            cursor=cursor,
            next=floor.next,
        )


class WaiterPresent(Waiter):
    """A waiter on a venue's floor, and how many of their screens are live."""

    streams: int = Field(ge=0, description="Open streams of this waiter, in all processes.")


class VenueFloorSnapshot(Resource):
    """A venue's sessions, what is open in each, who works there, and where the stream continues.

    A session that was closed stays as long as orders in it are unfinished. A display sees no
    notes.
    """

    venue_id: Id
    venue_name: str
    sessions: list[Table]
    waiters: list[WaiterPresent] = Field(
        description="Those on shift, and those who hold one of the sessions."
    )
    taken_at: Timestamp = Field(description="By the server's clock: for ages.")
    cursor: str = Field(description=_CURSOR, examples=["k3f9a1-42"])
    next: str | None = Field(
        description="Send it as ?cursor=<next> to get the rest of a large floor, which may "
        "continue the last of these sessions; null: this is all."
    )

    @classmethod
    def of(
        cls, floor: VenueFloor, actor: Actor, cursor: str, streams: Mapping[str, int]
    ) -> VenueFloorSnapshot:
        """Return ``floor``; ``streams`` counts the open streams of each waiter who has any."""
        return VenueFloorSnapshot(
            venue_id=floor.venue.id,
            venue_name=floor.venue.name,
            sessions=[Table.seen_by(actor, each) for each in paced(floor.sessions)],
            waiters=[
                WaiterPresent(**dict(Waiter.of(each)), streams=streams.get(each.id, 0))
                for each in floor.waiters
            ],
            taken_at=floor.taken_at,
            cursor=cursor,
            next=floor.next,
        )


class KitchenTicket(Order):
    """An order to cook, and its table."""

    table_number: TableNumber


class KitchenSnapshot(Resource):
    """A venue's orders from New to Complete, oldest first, and where the stream continues."""

    venue_id: Id
    venue_name: str
    orders: list[KitchenTicket]
    taken_at: Timestamp = Field(description="By the server's clock: for ages.")
    cursor: str = Field(description=_CURSOR, examples=["k3f9a1-42"])
    next: str | None = Field(
        description="Send it as ?cursor=<next> to get later orders; null: this is all."
    )

    @classmethod
    def of(cls, kitchen: VenueKitchen, actor: Actor, cursor: str) -> KitchenSnapshot:
        return KitchenSnapshot(
            venue_id=kitchen.venue.id,
            venue_name=kitchen.venue.name,
            orders=[
                KitchenTicket(**dict(Order.of(each.order, actor)), table_number=each.table_number)
                for each in paced(kitchen.orders)
            ],
            taken_at=kitchen.taken_at,
            cursor=cursor,
            next=kitchen.next,
        )
