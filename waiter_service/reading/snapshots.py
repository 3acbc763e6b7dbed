"""Snapshots: what is read at one moment, for a screen that then follows a stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from waiter_service.views import OrderView, RequestView, SessionView, VenueView, WaiterView


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """A session with its requests and orders, oldest first.

    Use ``taken_at`` for ages: ``request.age_seconds(snapshot.taken_at)``. ``next`` is the
    cursor of the next page of finished ones, or ``None`` on the last page.
    """

    session: SessionView
    requests: tuple[RequestView, ...]
    orders: tuple[OrderView, ...]
    taken_at: datetime
    next: str | None = None


@dataclass(frozen=True, slots=True)
class WaiterFloor:
    """The sessions on a waiter's floor, by table, each with what is open in it.

    A closed session stays on the floor while orders in it are unfinished.
    """

    waiter_id: str
    waiter_name: str
    sessions: tuple[SessionSnapshot, ...]
    taken_at: datetime
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFloor:
    """The sessions on the floor of a venue, by id, each with what is open in it.

    A closed session stays on the floor while orders in it are unfinished. ``waiters`` are
    those on shift, and those who hold one of the sessions.
    """

    venue: VenueView
    sessions: tuple[SessionSnapshot, ...]
    waiters: tuple[WaiterView, ...]
    taken_at: datetime
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KitchenOrder:
    """An order to cook, and the table that waits for it."""

    order: OrderView
    table_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueKitchen:
    """The orders of a venue from New to Complete, oldest first."""

    venue: VenueView
    orders: tuple[KitchenOrder, ...]
    taken_at: datetime
    next: str | None = None
