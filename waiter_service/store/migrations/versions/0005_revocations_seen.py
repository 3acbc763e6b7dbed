"""When a serving process first saw that access was withdrawn.

Revision: 0005
After: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema = op.get_context().version_table_schema
    op.add_column("revocations", sa.Column("seen_at", sa.DateTime(timezone=True)), schema=schema)
    op.create_index("ix_revocations_seen_at", "revocations", ["seen_at"])
    # Serving processes have acted on these already.
    revoked_at = sa.column("revoked_at", sa.DateTime(timezone=True))
    revocations = sa.table("revocations", revoked_at, sa.column("seen_at"), schema=schema)
    op.execute(revocations.update().values(seen_at=revoked_at))


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    op.drop_index("ix_revocations_seen_at", "revocations")
    op.drop_column("revocations", "seen_at", schema=schema)
