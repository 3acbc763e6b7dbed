"""Lists of all that there is, in pages: each begins after the last entry of the previous."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, select, tuple_
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import Actor
from waiter_service.errors import ValidationError
from waiter_service.reading import pages
from waiter_service.reading.scope import scope_in_venue, scope_of
from waiter_service.store.models import AuditRow, SessionRow, VenueRow, WaiterRow
from waiter_service.views import AuditView, SessionView, VenueView, WaiterView

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VenuePage:
    """Venues by id, and the cursor of the next page; ``None`` on the last page."""

    venues: tuple[VenueView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class WaiterPage:
    """Waiters by id, and the cursor of the next page; ``None`` on the last page."""

    waiters: tuple[WaiterView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Sessions, and the cursor of the next page; ``None`` on the last page."""

    sessions: tuple[SessionView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """What happened in a session, oldest first, and the cursor of the next page."""

    audit: tuple[AuditView, ...]
    next: str | None


def venue_page(orm: Session, actor: Actor, limit: int | None, cursor: str | None) -> VenuePage:
    """Return a page of the venues that the actor works in."""
    scope = scope_in_venue(orm, actor, "venues")
    limit = pages.limit_of(limit)
    statement = select(VenueRow).order_by(VenueRow.id)
    if cursor is not None:
        statement = statement.where(VenueRow.id > pages.decode_cursor(cursor, "venues")[1])
    if scope is None:
        return VenuePage((), None)
    if scope.venue_id is not None:
        statement = statement.where(VenueRow.id == scope.venue_id)
    rows, following = _page(orm, statement, limit)
    place = _place("venues", rows[-1].id) if following else None
    return VenuePage(tuple(map(VenueView.of, rows)), place)


def waiter_page(
    orm: Session,
    actor: Actor,
    *,
    venue_id: str | None,
    on_shift: bool | None,
    limit: int | None,
    cursor: str | None,
) -> WaiterPage:
    """Return a page of the waiters of the venues that the actor works in."""
    scope = scope_in_venue(orm, actor, "waiters", venue_id)
    limit = pages.limit_of(limit)
    statement = select(WaiterRow).order_by(WaiterRow.id)
    if cursor is not None:
        statement = statement.where(WaiterRow.id > pages.decode_cursor(cursor, "waiters")[1])
    if scope is None:
        return WaiterPage((), None)
    if scope.venue_id is not None:
        statement = statement.where(WaiterRow.venue_id == scope.venue_id)
    if on_shift is not None:
        since = WaiterRow.on_shift_since
        statement = statement.where(since.is_not(None) if on_shift else since.is_(None))
    rows, following = _page(orm, statement, limit)
    place = _place("waiters", rows[-1].id) if following else None
    return WaiterPage(tuple(map(WaiterView.of, rows)), place)


def session_page(
    orm: Session,
    actor: Actor,
    *,
    is_open: bool | None,
    table_number: int | None,
    waiter_id: str | None,
    venue_id: str | None,
    limit: int | None,
    cursor: str | None,
) -> SessionPage:
    """Return a page of the open sessions by table; of the closed, or of all, newest first."""
    scope = scope_of(actor, "sessions", venue_id, waiter_id)
    limit = pages.limit_of(limit)
    statement = select(SessionRow)
    if table_number is not None:
        statement = statement.where(SessionRow.table_number == inputs.table_number(table_number))
    # A table has one open session, so venue and number are a place in the list. The unique
    # index that ensures this also finds the place.
    statement = (
        _by_table(statement, cursor) if is_open else _newest_first(statement, is_open, cursor)
    )
    if scope is None:
        return SessionPage((), None)
    if is_open or table_number is not None or scope.venue_id is not None:
        statement = statement.where(scope.holds(SessionRow.venue_id))
    if scope.waiter_id is not None:
        statement = statement.where(SessionRow.waiter_id == scope.waiter_id)
        if is_open:
            # Follows from closed_at, and is in the index of a waiter's sessions.
            statement = statement.where(SessionRow.settled_at.is_(None))
    rows, following = _page(orm, statement, limit)
    place = None
    if following:
        last = rows[-1]
        by_table = (last.venue_id, str(last.table_number))
        newest_first = (last.opened_at.isoformat(), last.id)
        place = _place("sessions", *by_table) if is_open else _place("newest", *newest_first)
    return SessionPage(tuple(map(SessionView.of, rows)), place)


def audit_page(orm: Session, session_id: str, limit: int | None, cursor: str | None) -> AuditPage:
    """Return a page of what happened in a session and to its requests and orders."""
    limit = pages.limit_of(limit)
    statement = select(AuditRow).where(AuditRow.session_id == session_id).order_by(AuditRow.id)
    if cursor is not None:
        last_id = _number_in(pages.decode_cursor(cursor, "audit")[1])
        statement = statement.where(AuditRow.id > last_id)
    rows, following = _page(orm, statement, limit)
    place = _place("audit", str(rows[-1].id)) if following else None
    return AuditPage(tuple(map(AuditView.of, rows)), place)


def _by_table(statement: Select[SessionRow], cursor: str | None) -> Select[SessionRow]:
    place = (SessionRow.venue_id, SessionRow.table_number)
    if cursor is not None:
        _, venue_id, last_table, _ = pages.decode_cursor(cursor, "sessions")
        statement = statement.where(tuple_(*place) > (venue_id, _number_in(last_table)))
    # The id changes nothing, but SQLite knows that only in the index of the open tables.
    return statement.where(SessionRow.closed_at.is_(None)).order_by(*place, SessionRow.id)


def _newest_first(
    statement: Select[SessionRow], is_open: bool | None, cursor: str | None
) -> Select[SessionRow]:
    if cursor is not None:
        _, moment, last_id, _ = pages.decode_cursor(cursor, "newest")
        place = (pages.moment_in(moment), last_id)
        statement = statement.where(tuple_(SessionRow.opened_at, SessionRow.id) < place)
    if is_open is not None:
        statement = statement.where(SessionRow.closed_at.is_not(None))
    return statement.order_by(SessionRow.opened_at.desc(), SessionRow.id.desc())


def _page(orm: Session, statement: Select[T], limit: int) -> tuple[list[T], bool]:
    """Return the rows of a page, and whether more follow."""
    found = list(pages.rows(orm, statement.limit(limit + 1)))
    return found[:limit], len(found) > limit


def _place(section: str, *parts: Any) -> str:
    return pages.encode_cursor(section, *(*parts, "", "")[:3])


def _number_in(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise ValidationError("cursor", pages.NOT_OURS)
    return int(text)
