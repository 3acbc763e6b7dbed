"""The venue of a revocation: two venues may each have a manager with the same id.

Revision: 0012
After: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "revocations",
        sa.Column("venue_id", sa.String(64), server_default=sa.text("'main'"), nullable=False),
        schema=op.get_context().version_table_schema,
    )


def downgrade() -> None:
    op.drop_column("revocations", "venue_id", schema=op.get_context().version_table_schema)
