"""Waiters, who can hold sessions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from waiter_service import inputs
from waiter_service.actors import ALL_VENUES, MAIN_VENUE
from waiter_service.errors import (
    IdTaken,
    NotPermitted,
    UnknownVenue,
    UnknownWaiter,
    ValidationError,
    WaiterOffShift,
)
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.store.models import VenueRow, WaiterRow
from waiter_service.views import WaiterAdded, WaiterView


def add(work: UnitOfWork, waiter_id: str, name: str, venue_id: str | None) -> WaiterAdded:
    """Add a waiter, or change the name of an existing one."""
    waiter_id = inputs.identifier("waiter_id", waiter_id)
    name = inputs.text("name", name, max_chars=inputs.MAX_NAME_CHARS)
    actor = work.actor
    if not actor.is_in_charge:
        raise NotPermitted("waiter", waiter_id, actor)
    existing = work.orm.get(WaiterRow, waiter_id)
    if existing is not None:
        if not actor.covers(existing.venue_id):
            raise IdTaken("waiter", waiter_id)
        if venue_id not in (None, existing.venue_id):
            raise ValidationError(
                "venue_id", f"must be {existing.venue_id}: a waiter never changes venue"
            )
        venue_id = existing.venue_id
    elif venue_id is None:
        venue_id = MAIN_VENUE if actor.venue_id == ALL_VENUES else actor.venue_id
    _require_venue(work, venue_id)
    is_sqlite = work.orm.get_bind().dialect.name == "sqlite"
    insert = sqlite.insert if is_sqlite else postgresql.insert
    work.orm.execute(
        insert(WaiterRow)
        .values(id=waiter_id, venue_id=venue_id, name=name, created_at=work.now, version=1)
        .on_conflict_do_update(index_elements=[WaiterRow.id], set_={"name": name})
    )
    if existing is None:
        return WaiterAdded(True, WaiterView(id=waiter_id, venue_id=venue_id, name=name))
    view = WaiterView.of(existing)
    return WaiterAdded(
        False,
        WaiterView(id=waiter_id, venue_id=venue_id, name=name, on_shift_since=view.on_shift_since),
    )


def _require_venue(work: UnitOfWork, venue_id: str) -> None:
    if not inputs.is_identifier(venue_id) or work.orm.get(VenueRow, venue_id) is None:
        raise UnknownVenue(venue_id)
    if not work.actor.covers(venue_id):
        raise NotPermitted("venue", venue_id, work.actor)


def hold(
    work: UnitOfWork, waiter_ids: Collection[str], *, exclusively: bool = False
) -> dict[str, WaiterRow]:
    """Return the waiters ``waiter_ids`` by id; their shifts do not end before the commit.

    Held ``exclusively``, they are given no table before the commit either.

    Always called before a session is locked, so that the end of a shift and a change that
    gives the waiter a table cannot deadlock.

    Raises:
        UnknownWaiter: one of them does not exist.
    """
    for waiter_id in waiter_ids:
        if not inputs.is_identifier(waiter_id):
            raise UnknownWaiter(waiter_id)
    found = work.orm.scalars(
        select(WaiterRow)
        .where(WaiterRow.id.in_(waiter_ids))
        .order_by(WaiterRow.id)
        .with_for_update(read=not exclusively, key_share=exclusively)
    )
    held = {row.id: row for row in found}
    for waiter_id in waiter_ids:
        if waiter_id not in held:
            raise UnknownWaiter(waiter_id)
    return held


def require_on_shift(work: UnitOfWork, waiters: Iterable[WaiterRow]) -> None:
    """Raise ``WaiterOffShift`` if a table cannot be given to one of ``waiters``.

    A venue that has never started a shift does not use shifts.
    """
    for waiter in waiters:
        if waiter.on_shift_since is not None:
            continue
        venue = work.orm.get(VenueRow, waiter.venue_id)
        if venue is not None and venue.shifts_since is not None:
            raise WaiterOffShift(waiter.id)
