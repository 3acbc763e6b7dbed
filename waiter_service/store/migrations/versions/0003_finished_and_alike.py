"""When a request or order was finished, and what makes two kinds of request the same.

Revision: 0003
After: 0002
"""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FINAL = {
    "requests": ("Done", "Cancelled"),
    "orders": ("Paid", "Cancelled", "Rejected"),
}


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    for table, final in _FINAL.items():
        op.add_column(table, sa.Column("finished_at", sa.DateTime(timezone=True)), schema=schema)
        status = sa.column("status", sa.String)
        op.execute(
            sa.table(
                table, status, sa.column("finished_at"), sa.column("updated_at"), schema=schema
            )
            .update()
            .where(status.in_(final))
            .values(finished_at=sa.column("updated_at"))
        )
    # The default is for the release before this one, which may still run.
    op.add_column(
        "requests",
        sa.Column("kind_key", sa.String(64), nullable=False, server_default=sa.text("''")),
        schema=schema,
    )
    _fill_kind_keys(schema)
    op.drop_index("ix_requests_session_id_kind", "requests")
    op.drop_index("ix_orders_session_id", "orders")
    for table in _FINAL:
        op.create_index(
            f"ix_{table}_session_id_finished_at", table, ["session_id", "finished_at", "id"]
        )


def _fill_kind_keys(schema: str | None) -> None:
    requests = sa.table(
        "requests",
        sa.column("kind", sa.String),
        sa.column("kind_key", sa.String),
        schema=schema,
    )
    connection = op.get_bind()
    kinds = connection.scalars(sa.select(requests.c.kind).distinct()).all()
    for kind in kinds:
        # As waiter_service.inputs.kind_key had it when this was written.
        compatible = unicodedata.normalize("NFKC", kind).casefold()
        key = " ".join(unicodedata.normalize("NFKC", compatible).split())[:64]
        connection.execute(requests.update().where(requests.c.kind == kind).values(kind_key=key))


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    for table in _FINAL:
        op.drop_index(f"ix_{table}_session_id_finished_at", table)
    op.create_index("ix_orders_session_id", "orders", ["session_id"])
    op.create_index("ix_requests_session_id_kind", "requests", ["session_id", "kind"])
    op.drop_column("requests", "kind_key", schema=schema)
    for table in _FINAL:
        op.drop_column(table, "finished_at", schema=schema)
