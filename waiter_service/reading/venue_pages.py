"""What a manager and a kitchen read of a venue: who works there, and the orders to cook."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import Actor, ActorKind
from waiter_service.errors import NotPermitted, UnknownVenue
from waiter_service.pacing import ITEMS_AT_ONCE, paced
from waiter_service.reading import pages
from waiter_service.reading.snapshots import KitchenOrder
from waiter_service.statuses import OrderStatus
from waiter_service.store.models import OrderRow, SessionRow, VenueRow, WaiterRow
from waiter_service.views import OrderView, VenueView, WaiterView

#: Who may read the floor and the kitchen of a venue.
FLOOR_READERS = frozenset({ActorKind.SYSTEM, ActorKind.MANAGER, ActorKind.DISPLAY})
KITCHEN_READERS = frozenset({ActorKind.SYSTEM, ActorKind.MANAGER, ActorKind.KITCHEN})

#: Orders in a page of a kitchen.
DEFAULT_ORDERS = 200

#: Until it is delivered, an order is the kitchen's business.
_IN_THE_KITCHEN = [
    status.value
    for status in (
        OrderStatus.NEW,
        OrderStatus.ACKNOWLEDGED,
        OrderStatus.IN_PROGRESS,
        OrderStatus.COMPLETE,
    )
]


def venue_for(
    orm: Session, venue_id: str, actor: Actor, readers: Collection[ActorKind]
) -> VenueView:
    """Return the venue if ``actor`` covers it and is one of the ``readers``.

    Raises:
        UnknownVenue, NotPermitted: it does not exist, or is not the actor's.
    """
    if actor.kind not in readers or not actor.covers(venue_id):
        raise NotPermitted("venue", venue_id, actor)
    row = orm.get(VenueRow, venue_id) if inputs.is_identifier(venue_id) else None
    if row is None:
        raise UnknownVenue(venue_id)
    return VenueView.of(row)


def present(orm: Session, venue_id: str, holders: Collection[str]) -> tuple[WaiterView, ...]:
    """Return the venue's waiters who are on shift or among ``holders``, by id."""
    is_present = or_(WaiterRow.on_shift_since.is_not(None), WaiterRow.id.in_(holders))
    statement = (
        select(WaiterRow).where(WaiterRow.venue_id == venue_id, is_present).order_by(WaiterRow.id)
    )
    return tuple(WaiterView.of(row) for row in pages.rows(orm, statement))


def kitchen_page(
    orm: Session, which: ColumnElement[bool], limit: int | None, cursor: str | None
) -> tuple[tuple[KitchenOrder, ...], str | None]:
    """Return orders from New to Complete, oldest first, and the cursor of the next page.

    ``which`` finds the sessions. They are the way to the orders because a venue has few on
    its floor, however many of its orders are delivered and never marked as paid.
    """
    limit = DEFAULT_ORDERS if limit is None else pages.limit_of(limit)
    sessions = select(SessionRow.id, SessionRow.table_number).where(which).subquery()
    statement = (
        select(OrderRow, sessions.c.table_number)
        .join(sessions, sessions.c.id == OrderRow.session_id)
        .where(OrderRow.finished_at.is_(None), OrderRow.status.in_(_IN_THE_KITCHEN))
        .order_by(OrderRow.created_at, OrderRow.id)
        .limit(limit + 1)
    )
    if cursor is not None:
        statement = statement.where(_comes_after(cursor))
    taken: list[KitchenOrder] = []
    weight = 0
    found = orm.execute(statement.execution_options(yield_per=ITEMS_AT_ONCE))
    try:
        for row, table_number in paced(found):
            if len(taken) == limit or weight >= pages.MAX_PAGE_WEIGHT:
                last = taken[-1].order
                place = pages.encode_cursor("kitchen", last.created_at.isoformat(), last.id, "")
                return tuple(taken), place
            order = OrderView.of(row)
            taken.append(KitchenOrder(order=order, table_number=table_number))
            weight += pages.weight_of(order)
    finally:
        found.close()
    return tuple(taken), None


def _comes_after(cursor: str) -> ColumnElement[bool]:
    _, moment, last_id, _ = pages.decode_cursor(cursor, "kitchen")
    since = pages.moment_in(moment)
    is_later = OrderRow.created_at > since
    return or_(is_later, and_(OrderRow.created_at == since, OrderRow.id > last_id))
