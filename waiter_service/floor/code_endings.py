"""Ending join codes, as a part of what ends them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from waiter_service.store.models import JoinCodeRow, SessionRow


def end_codes(orm: Session, which: ColumnElement[bool]) -> None:
    """End the codes that ``which`` finds, within the caller's transaction."""
    orm.execute(delete(JoinCodeRow).where(which))


def end_codes_of_waiter(orm: Session, waiter_id: str) -> None:
    """End the codes of all tables that ``waiter_id`` holds: they have seen them."""
    theirs = select(SessionRow.id).where(SessionRow.waiter_id == waiter_id)
    end_codes(orm, JoinCodeRow.session_id.in_(theirs))
