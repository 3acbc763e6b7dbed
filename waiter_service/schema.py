"""Which tables there are, which there should be, and the way from one to the other.

Alembic's migrations, run without an ``alembic.ini``. Alembic is imported when
it is needed: a script that places an order should not wait for it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).resolve().parent / "migrations"

# Any number will do that nobody else in the database locks.
_UPGRADE_LOCK = 7_305_511


def found_revision(connection: Connection) -> str | None:
    """Return the revision the database is at, ``None`` before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


@cache
def expected_revision() -> str:
    """Return the revision this code was written for."""
    return max(known_revisions())


@cache
def known_revisions() -> frozenset[str]:
    """Return the revisions this code can bring up to date, its own among them."""
    # Each file is named after its revision, and these are numbered. Alembic says the same,
    # but takes longer to import than everything else that a start asks of the database.
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return frozenset(file.name.partition("_")[0] for file in files)


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, inside the caller's transaction.

    All or nothing on both engines. Others wait: on SQLite for the write lock,
    which the caller's transaction holds, on PostgreSQL for an advisory lock.
    """
    from alembic import command

    if connection.dialect.name == "postgresql":
        # The first of two upgrades may take its time, and the second should
        # wait for it. The migrations themselves must not: whoever waits to
        # alter a table makes everybody else wait behind them.
        lock_timeout = connection.scalar(text("SHOW lock_timeout"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        connection.execute(
            text("SELECT set_config('lock_timeout', :value, true)"), {"value": lock_timeout}
        )
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # ConfigParser would take a percent sign in the path for its own.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
