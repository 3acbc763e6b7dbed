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
    schema = op.get_context().version_table_schema
    op.add_column("sessions", sa.Column("settled_at", sa.DateTime(timezone=True)), schema=schema)
    # What was closed before has left its floor already.
    closed_at = sa.column("closed_at", sa.DateTime(timezone=True))
    sessions = sa.table("sessions", closed_at, sa.column("settled_at"), schema=schema)
    op.execute(sessions.update().values(settled_at=closed_at))
    op.drop_index("ix_sessions_waiter_id_closed_at", "sessions")
    op.create_index("ix_sessions_waiter_id_settled_at", "sessions", ["waiter_id", "settled_at"])


def downgrade() -> None:
    schema = op.get_context().version_table_schema
    op.drop_index("ix_sessions_waiter_id_settled_at", "sessions")
    op.create_index("ix_sessions_waiter_id_closed_at", "sessions", ["waiter_id", "closed_at"])
    op.drop_column("sessions", "settled_at", schema=schema)
