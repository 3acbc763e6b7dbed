"""What a screen loads once before it follows a stream: a table, or a waiter's floor."""

from __future__ import annotations

from pydantic import Field

from api.fields import Id, Timestamp
from api.resources import Order, Request, Resource, SessionFields, parts_of
from waiter_service.actors import Actor
from waiter_service.pacing import paced
from waiter_service.queries import SessionSnapshot, WaiterFloor

_CURSOR = (
    "Open the stream with ?lastEventId=<cursor>: it goes on where this ends, without a gap. "
    "What this shows already may come once more; drop what is not newer by its version."
)


class Table(SessionFields):
    """A session with what has been asked for in it, oldest first."""

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
    """A session, what is open in it and was finished last, and where its stream goes on."""

    taken_at: Timestamp = Field(description="By the server's clock: for ages.")
    cursor: str = Field(description=_CURSOR, examples=["k3f9a1-42"])
    next: str | None = Field(
        description="Hand it back as ?cursor=<next> for what was finished before, newest first; "
        "null: this is the last of it."
    )

    @classmethod
    def of(cls, snapshot: SessionSnapshot, actor: Actor, cursor: str) -> TableSnapshot:
        table = Table.seen_by(actor, snapshot)
        return TableSnapshot(
            **dict(table), taken_at=snapshot.taken_at, cursor=cursor, next=snapshot.next
        )


class Floor(Resource):
    """A waiter's sessions by table, what is open in each, and where the stream goes on.

    A session that was closed stays as long as orders in it are unfinished. A Completed
    request stays until somebody says Done, so that it can be undone.
    """

    waiter_id: Id
    waiter_name: str
    sessions: list[Table]
    taken_at: Timestamp = Field(description="By the server's clock: for ages.")
    cursor: str = Field(description=_CURSOR, examples=["k3f9a1-42"])
    next: str | None = Field(
        description="Hand it back as ?cursor=<next> for the rest of a very full floor, which may "
        "go on in the last of these sessions; null, as nearly always: this is all."
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
