"""Venues, shifts and offers. All that exists belongs to the venue ``main``.

Revision: 0010
After: 0009
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OF_A_VENUE = ("waiters", "sessions", "requests", "orders", "audit", "outbox")


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    op.create_table(
        "venues",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shifts_since", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_venues"),
    )
    venues = sa.table(
        "venues",
        sa.column("id", sa.String),
        sa.column("name", sa.String),
        sa.column("time_zone", sa.String),
        sa.column("created_at", sa.DateTime(timezone=True)),
        schema=schema,
    )
    now = datetime.now(UTC)
    if op.get_bind().dialect.name == "sqlite":
        now = now.replace(tzinfo=None)
    op.execute(venues.insert().values(id="main", name="Main", time_zone="UTC", created_at=now))
    for table in _OF_A_VENUE:
        venue_id = sa.Column(
            "venue_id", sa.String(64), server_default=sa.text("'main'"), nullable=False
        )
        op.add_column(table, venue_id, schema=schema)
    op.add_column("waiters", sa.Column("on_shift_since", sa.DateTime(timezone=True)), schema=schema)
    op.add_column(
        "waiters",
        sa.Column("version", sa.Integer, server_default=sa.text("1"), nullable=False),
        schema=schema,
    )
    op.create_index("ix_waiters_venue_id", "waiters", ["venue_id", "id"])
    op.create_index("ix_audit_session_id", "audit", ["session_id", "id"])
    op.drop_index("uq_sessions_open_table", "sessions")
    _index_open_tables("venue_id", "table_number")
    op.create_table(
        "offers",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("venue_id", sa.String(64), nullable=False),
        sa.Column("from_waiter_id", sa.String(64), nullable=False),
        sa.Column("to_waiter_id", sa.String(64), nullable=False),
        sa.Column("session_ids", sa.JSON, nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_offers"),
        sa.ForeignKeyConstraint(
            ["from_waiter_id"], ["waiters.id"], name="fk_offers_from_waiter_id"
        ),
        sa.ForeignKeyConstraint(["to_waiter_id"], ["waiters.id"], name="fk_offers_to_waiter_id"),
    )
    op.create_index("ix_offers_venue_id", "offers", ["venue_id", "id"])
    op.create_index("ix_offers_settled_at_expires_at", "offers", ["settled_at", "expires_at"])


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    op.drop_table("offers")
    op.drop_index("uq_sessions_open_table", "sessions")
    # Fails if two venues have the same table open: one restaurant cannot hold both.
    _index_open_tables("table_number")
    op.drop_index("ix_audit_session_id", "audit")
    op.drop_index("ix_waiters_venue_id", "waiters")
    op.drop_column("waiters", "version", schema=schema)
    op.drop_column("waiters", "on_shift_since", schema=schema)
    for table in reversed(_OF_A_VENUE):
        op.drop_column(table, "venue_id", schema=schema)
    op.drop_table("venues")


def _index_open_tables(*columns: str) -> None:
    is_open = sa.text("closed_at IS NULL")
    op.create_index(
        "uq_sessions_open_table",
        "sessions",
        list(columns),
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
