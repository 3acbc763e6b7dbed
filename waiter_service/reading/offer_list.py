"""The list of offers, newest first, in pages."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from waiter_service.actors import ALL_VENUES, Actor, ActorKind
from waiter_service.errors import NotPermitted
from waiter_service.reading import pages
from waiter_service.store.models import OfferRow, WaiterRow
from waiter_service.views import OfferView


@dataclass(frozen=True, slots=True)
class OfferPage:
    """Offers, newest first, and the cursor of the next page; ``None`` on the last page."""

    offers: tuple[OfferView, ...]
    next: str | None


def offer_page(orm: Session, actor: Actor, limit: int | None, cursor: str | None) -> OfferPage:
    """Return a page of a waiter's offers, given and received, or of a manager's venue."""
    if not actor.is_floor_staff:
        raise NotPermitted("list", "offers", actor)
    limit = pages.limit_of(limit)
    # Ids of offers sort by time.
    statement = select(OfferRow).order_by(OfferRow.id.desc()).limit(limit + 1)
    venue_id: str | None = actor.venue_id
    if actor.kind is ActorKind.WAITER:
        venue_id = orm.scalar(select(WaiterRow.venue_id).where(WaiterRow.id == actor.id))
        statement = statement.where(
            or_(OfferRow.from_waiter_id == actor.id, OfferRow.to_waiter_id == actor.id)
        )
    if venue_id != ALL_VENUES:
        # With the venue an index gives the order; a waiter's offers are few among few.
        statement = statement.where(OfferRow.venue_id == venue_id)
    if cursor is not None:
        _, last_id, *_ = pages.decode_cursor(cursor, "offers")
        statement = statement.where(OfferRow.id < last_id)
    found = [OfferView.of(row) for row in pages.rows(orm, statement)]
    shown = found[:limit]
    following = None
    if len(found) > limit:
        following = pages.encode_cursor("offers", shown[-1].id, "", "")
    return OfferPage(tuple(shown), following)
