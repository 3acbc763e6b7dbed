"""Which tables there are, which there should be, and the way from one to the other.

Alembic's migrations, run without an ``alembic.ini``. Alembic is imported when
it is needed: a script that places an order should not wait for it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, String, column, create_engine, inspect, select, table, text
from sqlalchemy.schema import CreateSchema

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).resolve().parent / "migrations"

# Any number will do that nobody else in the database locks.
_UPGRADE_LOCK = 7_305_511

#: Finds table and column of all that a SQLite database has.
SQLITE_COLUMNS = (
    "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c"
    " WHERE t.type = 'table'"
)


def found_revision(connection: Connection, schema: str | None = None) -> str | None:
    """Return the revision the tables in ``schema`` are at, ``None`` before the first."""
    if not inspect(connection).has_table("alembic_version", schema=schema):
        return None
    version = column("version_num", String)
    revision: str | None = connection.scalar(
        select(version).select_from(table("alembic_version", version, schema=schema))
    )
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


def prepare(connection: Connection, schema: str | None = None) -> None:
    """Wait for other upgrades, and make ``schema`` where it is missing.

    On SQLite the caller's transaction holds the write lock, for which others wait; on
    PostgreSQL they wait for an advisory lock.
    """
    if connection.dialect.name != "postgresql":
        return
    # The first of two upgrades may take its time, and the second should wait for it.
    # The migrations themselves must not wait long: all later uses of a table queue up
    # behind a statement that waits to alter it.
    lock_timeout = connection.scalar(text("SHOW lock_timeout"))
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    connection.execute(
        text("SELECT set_config('lock_timeout', :value, true)"), {"value": lock_timeout}
    )
    # Not IF NOT EXISTS, for which PostgreSQL asks for the right to make schemas in any case.
    if schema is not None and not inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema))


def columns_at(revision: str) -> set[tuple[str, str]]:
    """Return table and column of all that a SQLite database has at ``revision``."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection, to=revision)
        found = connection.execute(text(SQLITE_COLUMNS)).all()
    engine.dispose()
    return {(table, column) for table, column in found}


def upgrade(connection: Connection, schema: str | None = None, *, to: str = "head") -> None:
    """Run the migrations that are missing, inside the caller's transaction: all or nothing.

    Call ``prepare`` first.
    """
    from alembic import command

    if schema is not None:
        # A migration that forgets to name the schema fails, and alters no table of another
        # program in the same database.
        connection.execute(text("SELECT set_config('search_path', '', true)"))
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, to)


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # ConfigParser would take a percent sign in the path for its own.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
