"""Puts the demo restaurant back to its beginning."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from demo.seed import SESSIONS, WAITERS, seed
from waiter_service import WaiterService
from waiter_service.store.models import (
    AuditRow,
    IdempotencyRow,
    JoinCodeRow,
    MarkRow,
    OrderRow,
    OutboxRow,
    RequestRow,
    RevocationRow,
    SessionRow,
    WaiterRow,
)

# Ordered so that a table comes before the tables it refers to. Revoked tokens stay revoked.
_FLOOR = (OutboxRow, IdempotencyRow, JoinCodeRow, OrderRow, RequestRow, SessionRow, WaiterRow)


def is_demo(service: WaiterService) -> bool:
    """Return whether only the demo's waiters work here, at the demo's tables."""
    with service.database.reading() as orm:
        waiters = set(orm.scalars(select(WaiterRow.id).limit(len(WAITERS) + 1)))
        known = set(orm.scalars(select(SessionRow.id).where(SessionRow.id.in_(SESSIONS))))
    return not waiters or (waiters <= set(WAITERS) and known == set(SESSIONS))


def reset(service: WaiterService) -> None:
    """Remove all data and seed again; open screens load everything.

    The tables, guests and waiters of a restaurant that is not the demo's are lost.
    """
    with service.database.writing() as orm:
        last_change = orm.scalar(select(func.max(AuditRow.id))) or 0
        for rows in _FLOOR:
            orm.execute(delete(rows))
        orm.execute(delete(RevocationRow).where(RevocationRow.is_closing))
    seed(service)
    with service.database.writing() as orm:
        orm.execute(delete(AuditRow).where(AuditRow.id <= last_change))
        # Last: serving processes take this for a restored database, and tell every screen
        # to load everything. The new data must exist by then.
        orm.execute(delete(MarkRow))
