"""Snapshots: the state of the floor, each read at one moment.

Nothing here changes anything; ``service.py`` does.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import SYSTEM, Actor, ActorKind
from waiter_service.clock import Clock, utc_now
from waiter_service.errors import (
    NotPermitted,
    UnknownOffer,
    UnknownOrder,
    UnknownRequest,
    UnknownSession,
    UnknownVenue,
    UnknownWaiter,
)
from waiter_service.floor.offers import may_see
from waiter_service.floor.sessions import is_on_floor
from waiter_service.reading import analytics, lists, venue_pages
from waiter_service.reading.analytics import Analytics
from waiter_service.reading.list_queries import ListQueries
from waiter_service.reading.lists import AuditPage
from waiter_service.reading.offer_list import OfferPage, offer_page
from waiter_service.reading.scope import scope_in_venue
from waiter_service.reading.snapshot_pages import floor_page, session_page
from waiter_service.reading.snapshots import SessionSnapshot, VenueFloor, VenueKitchen, WaiterFloor
from waiter_service.rules import DEFAULT_RULES, HouseRules
from waiter_service.store.database import Database
from waiter_service.store.models import (
    OfferRow,
    OrderRow,
    RequestRow,
    SessionRow,
    VenueRow,
    WaiterRow,
)
from waiter_service.views import (
    OfferView,
    OrderView,
    RequestView,
    SessionView,
    VenueView,
    WaiterView,
)


class FloorQueries(ListQueries):
    """Reads the floor of one database.

    ``actor`` is the reader: a guest sees their own session, a waiter their own sessions,
    floor and figures, a manager and the system everything. Each call is one transaction
    that sees one moment. On PostgreSQL it may switch greenlets.
    """

    def __init__(
        self, database: Database, *, clock: Clock = utc_now, rules: HouseRules = DEFAULT_RULES
    ) -> None:
        super().__init__(database, clock)
        self._rules = rules

    def session_snapshot(
        self,
        session_id: str,
        *,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SessionSnapshot:
        """Return a session, open or closed, with what is open in it and what was finished last.

        Finished requests and orders come ``limit`` (50) at a time, newest first. For the next
        page, pass ``next`` as ``cursor``.

        Raises:
            UnknownSession, NotPermitted: it does not exist, or the actor may not see it.
            ValidationError: ``limit`` is not from 1 to 500, or ``cursor`` is not from such a page.
        """
        with self._database.reading() as orm:
            session = session_for(orm, session_id, actor)
            page = session_page(orm, session.id, limit, cursor)
            return SessionSnapshot(
                session=SessionView.of(session),
                requests=page.requests,
                orders=page.orders,
                taken_at=self._clock(),
                next=page.next,
            )

    def require_session(self, session_id: str, *, actor: Actor) -> None:
        """Raise ``UnknownSession`` or ``NotPermitted`` unless ``actor`` may see the session now."""
        with self._database.reading() as orm:
            session_for(orm, session_id, actor)

    def is_open(self, session_id: str, *, actor: Actor) -> bool:
        """Return whether a session is open; raises as ``require_session`` does."""
        with self._database.reading() as orm:
            return session_for(orm, session_id, actor).closed_at is None

    def venue(self, venue_id: str, *, actor: Actor = SYSTEM) -> VenueView:
        """Return one venue.

        Raises:
            UnknownVenue, NotPermitted: it does not exist, or the actor does not work there.
        """
        with self._database.reading() as orm:
            scope = scope_in_venue(orm, actor, "venues")
            row = orm.get(VenueRow, venue_id) if inputs.is_identifier(venue_id) else None
            if row is None:
                raise UnknownVenue(venue_id)
            if scope is None or scope.venue_id not in (None, row.id):
                raise NotPermitted("venue", venue_id, actor)
            return VenueView.of(row)

    def waiter(self, waiter_id: str, *, actor: Actor = SYSTEM) -> WaiterView:
        """Return one waiter. A waiter may see all of their venue.

        Raises:
            UnknownWaiter, NotPermitted: they do not exist, or work in another venue.
        """
        with self._database.reading() as orm:
            scope = scope_in_venue(orm, actor, "waiters")
            row = orm.get(WaiterRow, waiter_id) if inputs.is_identifier(waiter_id) else None
            if row is None:
                raise UnknownWaiter(waiter_id)
            if scope is None or scope.venue_id not in (None, row.venue_id):
                raise NotPermitted("waiter", waiter_id, actor)
            return WaiterView.of(row)

    def session_audit(
        self,
        session_id: str,
        *,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditPage:
        """Return what happened in a session and to its requests and orders, oldest first.

        ``limit`` (50) at a time. For the next page, pass ``next`` as ``cursor``. Not for guests:
        reasons are for the staff.

        Raises:
            UnknownSession, NotPermitted: it does not exist, or the actor may not see it.
            ValidationError: ``limit`` is not from 1 to 500, or ``cursor`` is not from such a page.
        """
        with self._database.reading() as orm:
            session = session_for(orm, session_id, actor)
            if actor.is_guest:
                raise NotPermitted("session", session_id, actor)
            return lists.audit_page(orm, session.id, limit, cursor)

    def request(self, request_id: str, *, actor: Actor = SYSTEM) -> RequestView:
        """Return one request.

        Raises:
            UnknownRequest, NotPermitted: it does not exist, or the actor may not see it.
        """
        with self._database.reading() as orm:
            row = orm.get(RequestRow, request_id) if inputs.is_identifier(request_id) else None
            if row is None:
                raise UnknownRequest(request_id)
            if not _may_see(orm, row.session_id, actor):
                raise NotPermitted("request", request_id, actor)
            return RequestView.of(row)

    def order(self, order_id: str, *, actor: Actor = SYSTEM) -> OrderView:
        """Return one order.

        Raises:
            UnknownOrder, NotPermitted: it does not exist, or the actor may not see it.
        """
        with self._database.reading() as orm:
            row = orm.get(OrderRow, order_id) if inputs.is_identifier(order_id) else None
            if row is None:
                raise UnknownOrder(order_id)
            if not _may_see(orm, row.session_id, actor):
                raise NotPermitted("order", order_id, actor)
            return OrderView.of(row)

    def offers(
        self, *, actor: Actor = SYSTEM, limit: int | None = None, cursor: str | None = None
    ) -> OfferPage:
        """Return the offers, newest first, ``limit`` (50) at a time; not for guests.

        A waiter sees those they gave or received.

        Raises:
            ValidationError: ``limit`` is not from 1 to 500, or ``cursor`` is not from such a page.
        """
        with self._database.reading() as orm:
            return offer_page(orm, actor, limit, cursor)

    def offer(self, offer_id: str, *, actor: Actor = SYSTEM) -> OfferView:
        """Return one offer, open or settled.

        Raises:
            UnknownOffer, NotPermitted: it does not exist, or the actor may not see it.
        """
        with self._database.reading() as orm:
            row = orm.get(OfferRow, offer_id) if inputs.is_identifier(offer_id) else None
            if row is None:
                raise UnknownOffer(offer_id)
            if not may_see(actor, row):
                raise NotPermitted("offer", offer_id, actor)
            return OfferView.of(row)

    def waiter_floor(
        self,
        waiter_id: str,
        *,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> WaiterFloor:
        """Return a waiter's sessions with their open requests and orders.

        These are the open sessions, and those that were closed with unfinished orders.
        A Completed request stays on the floor until the guest or the waiter confirms it with
        Done, so that it can be undone.

        Nearly every floor fits on one page. If it does not, pass ``next`` as ``cursor``; the
        next page may continue the same session. ``limit`` counts sessions, 100 by default.

        Raises:
            UnknownWaiter, NotPermitted: the waiter does not exist, or is another one.
            ValidationError: ``limit`` is not from 1 to 500, or ``cursor`` is not from such a page.
        """
        with self._database.reading() as orm:
            waiter = _waiter(orm, waiter_id, actor)
            now = self._clock()
            which = (SessionRow.waiter_id == waiter_id) & is_on_floor(self._rules)
            parts, following = floor_page(orm, which, limit, cursor)
            snapshots = [
                SessionSnapshot(SessionView.of(row), page.requests, page.orders, now)
                for row, page in parts
            ]
            snapshots.sort(key=lambda each: (each.session.table_number, each.session.opened_at))
            return WaiterFloor(
                waiter_id=waiter.id,
                waiter_name=waiter.name,
                sessions=tuple(snapshots),
                taken_at=now,
                next=following,
            )

    def venue_floor(
        self,
        venue_id: str,
        *,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> VenueFloor:
        """Return all sessions on the floor of a venue, and who works there; for managers.

        ``limit`` counts sessions, 100 by default. For the next page, pass ``next`` as
        ``cursor``; it may continue the same session.

        Raises:
            UnknownVenue, NotPermitted: the venue does not exist, or is not the actor's.
            ValidationError: ``limit`` is not from 1 to 500, or ``cursor`` is not from such a page.
        """
        with self._database.reading() as orm:
            venue = venue_pages.venue_for(orm, venue_id, actor, venue_pages.FLOOR_READERS)
            now = self._clock()
            which = (SessionRow.venue_id == venue.id) & is_on_floor(self._rules)
            parts, following = floor_page(orm, which, limit, cursor)
            return VenueFloor(
                venue=venue,
                sessions=tuple(
                    SessionSnapshot(SessionView.of(row), page.requests, page.orders, now)
                    for row, page in parts
                ),
                waiters=venue_pages.present(orm, venue.id, {row.waiter_id for row, _ in parts}),
                taken_at=now,
                next=following,
            )

    def venue_kitchen(
        self,
        venue_id: str,
        *,
        actor: Actor = SYSTEM,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> VenueKitchen:
        """Return the orders of a venue from New to Complete, oldest first.

        For the kitchen and for managers. ``limit`` counts orders, 200 by default. For the
        next page, pass ``next`` as ``cursor``.

        Raises:
            UnknownVenue, NotPermitted: the venue does not exist, or is not the actor's.
            ValidationError: ``limit`` is not from 1 to 500, or ``cursor`` is not from such a page.
        """
        with self._database.reading() as orm:
            venue = venue_pages.venue_for(orm, venue_id, actor, venue_pages.KITCHEN_READERS)
            now = self._clock()
            which = (SessionRow.venue_id == venue.id) & is_on_floor(self._rules)
            orders, following = venue_pages.kitchen_page(orm, which, limit, cursor)
            return VenueKitchen(venue=venue, orders=orders, taken_at=now, next=following)

    def session_analytics(self, session_id: str, *, actor: Actor = SYSTEM) -> Analytics:
        """Return the figures of one session.

        Raises:
            UnknownSession, NotPermitted: it does not exist, or the actor may not see it.
        """
        with self._database.reading() as orm:
            session = session_for(orm, session_id, actor)
            return analytics.gather(orm, SessionRow.id == session.id)

    def waiter_analytics(self, waiter_id: str, *, actor: Actor = SYSTEM) -> Analytics:
        """Return the figures of all sessions that the waiter holds, or held when they were closed.

        Requests and orders from before a transfer count for the session's present waiter.

        Raises:
            UnknownWaiter, NotPermitted: the waiter does not exist, or is another one.
        """
        with self._database.reading() as orm:
            waiter = _waiter(orm, waiter_id, actor)
            return analytics.gather(orm, SessionRow.waiter_id == waiter.id)


def session_for(orm: Session, session_id: str, actor: Actor) -> SessionRow:
    """Return the session if ``actor`` may see it.

    Raises:
        UnknownSession, NotPermitted: it does not exist, or the actor may not see it.
    """
    session = orm.get(SessionRow, session_id) if inputs.is_identifier(session_id) else None
    if session is None:
        raise UnknownSession(session_id)
    if not actor.may_act_in(
        session_id=session.id, waiter_id=session.waiter_id, venue_id=session.venue_id
    ):
        raise NotPermitted("session", session_id, actor)
    return session


def _may_see(orm: Session, session_id: str, actor: Actor) -> bool:
    try:
        session_for(orm, session_id, actor)
    except NotPermitted:
        return False
    return True


def _waiter(orm: Session, waiter_id: str, actor: Actor) -> WaiterRow:
    if not actor.is_floor_staff or (actor.kind is ActorKind.WAITER and actor.id != waiter_id):
        raise NotPermitted("waiter", waiter_id, actor)
    waiter = orm.get(WaiterRow, waiter_id) if inputs.is_identifier(waiter_id) else None
    if waiter is None:
        raise UnknownWaiter(waiter_id)
    if actor.is_in_charge and not actor.covers(waiter.venue_id):
        raise NotPermitted("waiter", waiter_id, actor)
    return waiter
