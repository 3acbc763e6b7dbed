"""What a screen loads once before it follows a stream: a table, or a waiter's floor."""

from __future__ import annotations

from pydantic import Field

from api.fields import Id, Timestamp
from api.resources import Order, Request, Resource, SessionFields, parts_of
from waiter_service.actors import Actor
from waiter_service.pacing import paced
from waiter_service.queries import SessionSnapshot, WaiterFloor

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
        return Table(
            **parts_of(snapshot.session),
            requests=[
                Request.of(each, actor, is_open=is_open) for each in paced(snapshot.requests)
            ],
            orders=[Order.of(each, actor, is_open=is_open) for each in paced(snapshot.orders)],
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
