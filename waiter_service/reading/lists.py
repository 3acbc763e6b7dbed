"""Lists of waiters and sessions, in pages: each begins after the last entry of the previous."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from waiter_service import inputs
from waiter_service.actors import Actor, ActorKind
from waiter_service.errors import NotPermitted, ValidationError
from waiter_service.reading import pages
from waiter_service.store.models import SessionRow, WaiterRow
from waiter_service.views import SessionView, WaiterView


@dataclass(frozen=True, slots=True)
class WaiterPage:
    """Waiters by id, and the cursor of the next page; ``None`` on the last page."""

    waiters: tuple[WaiterView, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Open sessions by table, and the cursor of the next page; ``None`` on the last page."""

    sessions: tuple[SessionView, ...]
    next: str | None


def waiter_page(orm: Session, actor: Actor, limit: int | None, cursor: str | None) -> WaiterPage:
    """Return a page of all waiters."""
    if actor.is_guest:
        raise NotPermitted("list", "waiters", actor)
    limit = pages.limit_of(limit)
    statement = select(WaiterRow).order_by(WaiterRow.id).limit(limit + 1)
    if cursor is not None:
        _, last_id, *_ = pages.decode_cursor(cursor, "waiters")
        statement = statement.where(WaiterRow.id > last_id)
    found = [WaiterView.of(row) for row in pages.rows(orm, statement)]
    shown = found[:limit]
    following = _following("waiters", shown[-1].id) if len(found) > limit else None
    return WaiterPage(tuple(shown), following)


def session_page(
    orm: Session,
    actor: Actor,
    table_number: int | None,
    limit: int | None,
    cursor: str | None,
) -> SessionPage:
    """Return a page of the open sessions: a waiter's own, or all for other actors."""
    if actor.is_guest:
        raise NotPermitted("list", "sessions", actor)
    limit = pages.limit_of(limit)
    # A table has one open session, so its number is a place in the list. The unique
    # index that ensures this also finds the place.
    statement = (
        select(SessionRow)
        .where(SessionRow.closed_at.is_(None))
        .order_by(SessionRow.table_number)
        .limit(limit + 1)
    )
    if actor.kind is ActorKind.WAITER:
        statement = statement.where(SessionRow.waiter_id == actor.id)
    if table_number is not None:
        statement = statement.where(SessionRow.table_number == inputs.table_number(table_number))
    if cursor is not None:
        _, last_table, *_ = pages.decode_cursor(cursor, "sessions")
        statement = statement.where(SessionRow.table_number > _table_in(last_table))
    found = [SessionView.of(row) for row in pages.rows(orm, statement)]
    shown = found[:limit]
    following = _following("sessions", str(shown[-1].table_number)) if len(found) > limit else None
    return SessionPage(tuple(shown), following)


def _following(section: str, last: str) -> str:
    return pages.encode_cursor(section, last, "", "")


def _table_in(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise ValidationError("cursor", pages.NOT_OURS)
    return int(text)
