"""How often a claim on a row of the outbox was renewed.

Revision: 0007
After: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    op.add_column(
        "outbox",
        sa.Column("renewals", sa.Integer, nullable=False, server_default=sa.text("0")),
        schema=schema,
    )


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    op.drop_column("outbox", "renewals", schema=schema)
