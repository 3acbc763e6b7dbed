"""What guests join a table by.

Revision: 0008
After: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "join_codes",
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("nonce", sa.String(32), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("guests", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_join_codes"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_join_codes_session_id"),
        sa.UniqueConstraint("digest", name="uq_join_codes_digest"),
    )


def downgrade() -> None:
    op.drop_table("join_codes")
