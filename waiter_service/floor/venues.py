"""Venues: the restaurants of a deployment."""

from __future__ import annotations

import zoneinfo

from sqlalchemy.exc import IntegrityError

from waiter_service import inputs
from waiter_service.actors import ALL_VENUES
from waiter_service.errors import NotPermitted, ValidationError
from waiter_service.floor.unit_of_work import UnitOfWork
from waiter_service.store.models import VenueRow
from waiter_service.views import VenueAdded, VenueView


def add(work: UnitOfWork, venue_id: str, name: str | None, time_zone: str | None) -> VenueAdded:
    """Add a venue, or change the name and the time zone of an existing one."""
    venue_id = inputs.identifier("venue_id", venue_id)
    if name is not None:
        name = inputs.text("name", name, max_chars=inputs.MAX_NAME_CHARS)
    if time_zone is not None:
        time_zone = _time_zone(time_zone)
    actor = work.actor
    if not actor.is_in_charge or not actor.covers(venue_id):
        raise NotPermitted("venue", venue_id, actor)
    row = work.orm.get(VenueRow, venue_id, with_for_update=True)
    if row is not None:
        row.name = name or row.name
        row.time_zone = time_zone or row.time_zone
        return VenueAdded(False, VenueView.of(row))
    if actor.venue_id != ALL_VENUES:
        # A manager of one venue does not open another, not even one that their token names.
        raise NotPermitted("venue", venue_id, actor)
    row = VenueRow(
        id=venue_id, name=name or venue_id, time_zone=time_zone or "UTC", created_at=work.now
    )
    try:
        with work.orm.begin_nested():
            work.orm.add(row)
    except IntegrityError:
        # Another process has just added it.
        return add(work, venue_id, name, time_zone)
    return VenueAdded(True, VenueView.of(row))


def _time_zone(value: object) -> str:
    try:
        return zoneinfo.ZoneInfo(inputs.text("time_zone", value, max_chars=64)).key
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError(
            "time_zone", "must be a time zone such as Europe/Berlin, as in the IANA database"
        ) from None
