"""What an actor may be shown of a list."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from waiter_service import inputs
from waiter_service.actors import ALL_VENUES, Actor, ActorKind
from waiter_service.errors import NotPermitted
from waiter_service.store.models import VenueRow, WaiterRow


@dataclass(frozen=True, slots=True)
class Scope:
    """What is of one venue, or of one waiter; ``None`` stands for any."""

    venue_id: str | None
    waiter_id: str | None

    def holds(self, column: InstrumentedAttribute[str]) -> ColumnElement[bool]:
        """Return the condition that the venue in ``column`` is within the scope.

        It names all venues if any will do: an index that begins with the venue then leads to
        what is in all of them.
        """
        if self.venue_id is not None:
            return column == self.venue_id
        return column.in_(select(VenueRow.id))


def scope_of(
    actor: Actor, what: str, venue_id: str | None = None, waiter_id: str | None = None
) -> Scope | None:
    """Return what ``actor`` may be shown of what they ask for; ``None`` if nothing.

    What is not the actor's is on no list, as if it did not exist.

    Raises:
        NotPermitted: the actor is shown no list.
        ValidationError: ``venue_id`` or ``waiter_id`` does not have the form of an id.
    """
    if not actor.is_floor_staff:
        raise NotPermitted("list", what, actor)
    if venue_id is not None:
        inputs.identifier("venue", venue_id)
    if waiter_id is not None:
        inputs.identifier("waiter", waiter_id)
    if actor.kind is ActorKind.WAITER:
        return Scope(venue_id, actor.id) if waiter_id in (None, actor.id) else None
    if actor.venue_id == ALL_VENUES:
        return Scope(venue_id, waiter_id)
    return Scope(actor.venue_id, waiter_id) if venue_id in (None, actor.venue_id) else None


def scope_in_venue(
    orm: Session, actor: Actor, what: str, venue_id: str | None = None
) -> Scope | None:
    """Return the same where a waiter is shown their whole venue."""
    scope = scope_of(actor, what, venue_id)
    if actor.kind is not ActorKind.WAITER:
        return scope
    own = orm.scalar(select(WaiterRow.venue_id).where(WaiterRow.id == actor.id))
    return Scope(own, None) if own is not None and venue_id in (None, own) else None
