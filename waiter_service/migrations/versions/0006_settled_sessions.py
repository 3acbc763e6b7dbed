"""When a closed session had nothing left to do in it, and so left its waiter's floor.

Revision: 0006
After: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("settled_at", sa.DateTime(timezone=True)))
    # What was closed before has left its floor already.
    op.execute("UPDATE sessions SET settled_at = closed_at")
    op.drop_index("ix_sessions_waiter_id_closed_at", "sessions")
    op.create_index("ix_sessions_waiter_id_settled_at", "sessions", ["waiter_id", "settled_at"])


def downgrade() -> None:
    op.drop_index("ix_sessions_waiter_id_settled_at", "sessions")
    op.create_index("ix_sessions_waiter_id_closed_at", "sessions", ["waiter_id", "closed_at"])
    op.drop_column("sessions", "settled_at")
