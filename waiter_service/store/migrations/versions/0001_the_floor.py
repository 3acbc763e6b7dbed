"""The floor: waiters, sessions, requests, orders, audit, outbox, idempotency keys.

Revision: 0001
After: nothing
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_COUNTED_KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _ticket_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("note", sa.String(500)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("acknowledged_at", _MOMENT),
        sa.Column("acknowledged_by", sa.String(128)),
        sa.Column("completed_at", _MOMENT),
    ]


def upgrade() -> None:
    op.create_table(
        "waiters",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_waiters"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("table_number", sa.Integer, nullable=False),
        sa.Column("waiter_id", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("closed_at", _MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["waiter_id"], ["waiters.id"], name="fk_sessions_waiter_id"),
    )
    op.create_index(
        "uq_sessions_open_table",
        "sessions",
        ["table_number"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index("ix_sessions_waiter_id_closed_at", "sessions", ["waiter_id", "closed_at"])
    op.create_table(
        "requests",
        *_ticket_columns(),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_requests_session_id"),
    )
    op.create_index("ix_requests_session_id_kind", "requests", ["session_id", "kind"])
    op.create_table(
        "orders",
        *_ticket_columns(),
        sa.Column("items", sa.JSON, nullable=False),
        sa.Column("item_count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_orders_session_id"),
    )
    op.create_index("ix_orders_session_id", "orders", ["session_id"])
    op.create_table(
        "audit",
        sa.Column("id", _COUNTED_KEY, nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject_kind", sa.String(16), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("from_value", sa.String(64)),
        sa.Column("to_value", sa.String(64)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(500)),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject_kind_subject_id", "audit", ["subject_kind", "subject_id"])
    op.create_table(
        "outbox",
        sa.Column("sequence", _COUNTED_KEY, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("claimed_by", sa.String(32)),
        sa.Column("claimed_until", _MOMENT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_outbox"),
        sa.UniqueConstraint("id", name="uq_outbox_id"),
        # Numbers of rows long gone must not come again: they order what is left.
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_session_id_sequence", "outbox", ["session_id", "sequence"])
    op.create_table(
        "idempotency_keys",
        sa.Column("actor", sa.String(144), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("operation", sa.String(300), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("response_status", sa.Integer),
        sa.Column("response_body", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    for table in (
        "idempotency_keys", "outbox", "audit", "orders", "requests", "sessions", "waiters",
    ):  # fmt: skip
        op.drop_table(table)
