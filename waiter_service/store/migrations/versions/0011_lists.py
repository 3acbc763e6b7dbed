"""Indexes for the lists of sessions, requests and orders.

Revision: 0011
After: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OF_SESSIONS = {
    "ix_sessions_opened_at": ["opened_at", "id"],
    "ix_sessions_venue_id_opened_at": ["venue_id", "opened_at", "id"],
    "ix_sessions_waiter_id_opened_at": ["waiter_id", "opened_at", "id"],
    "ix_sessions_venue_id_table_number": ["venue_id", "table_number", "opened_at", "id"],
}


def upgrade() -> None:
    for name, columns in _OF_SESSIONS.items():
        op.create_index(name, "sessions", columns)
    _create_partial("ix_sessions_unsettled", "sessions", ["venue_id", "id"], "settled_at IS NULL")
    for table in ("requests", "orders"):
        for name, columns, condition in _of_tickets(table):
            _create_partial(name, table, columns, condition)


def downgrade() -> None:
    for table in ("orders", "requests"):
        for name, _, _ in _of_tickets(table):
            op.drop_index(name, table)
    op.drop_index("ix_sessions_unsettled", "sessions")
    for name in _OF_SESSIONS:
        op.drop_index(name, "sessions")


def _of_tickets(table: str) -> list[tuple[str, list[str], str]]:
    unfinished, finished = "finished_at IS NULL", "finished_at IS NOT NULL"
    return [
        (f"ix_{table}_unfinished", ["created_at", "id"], unfinished),
        (f"ix_{table}_venue_id_unfinished", ["venue_id", "created_at", "id"], unfinished),
        (f"ix_{table}_finished", ["status", "created_at", "id"], finished),
        (f"ix_{table}_venue_id_finished", ["venue_id", "status", "created_at", "id"], finished),
    ]


def _create_partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
