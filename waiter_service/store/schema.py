"""The tables' schema: the revision found, the revision expected, and the migrations between.

Alembic runs without an ``alembic.ini``. It is imported only when it is needed: a script
that places an order should not wait for it.
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

# Any number that no other program uses for a lock in the database.
_UPGRADE_LOCK = 7_305_511

#: Returns table and column of everything in a SQLite database.
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
    """Return the revision that this code expects."""
    return max(known_revisions())


@cache
def known_revisions() -> frozenset[str]:
    """Return the revisions that this code can migrate, its own among them."""
    # Each file is named after its revision, and revisions are numbers. Alembic returns the same,
    # but importing it takes longer than everything else that a start asks of the database.
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return frozenset(file.name.partition("_")[0] for file in files)


def prepare(connection: Connection, schema: str | None = None) -> None:
    """Wait for other upgrades, and create ``schema`` if it is missing.

    On SQLite the caller's transaction holds the write lock, for which others wait. On
    PostgreSQL they wait for an advisory lock.
    """
    if connection.dialect.name != "postgresql":
        return
    # The first of two upgrades may take long, and the second should wait for it. The migrations
    # themselves must not wait long: all later uses of a table queue behind a statement that
    # waits to alter it.
    lock_timeout = connection.scalar(text("SHOW lock_timeout"))
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    connection.execute(
        text("SELECT set_config('lock_timeout', :value, true)"), {"value": lock_timeout}
    )
    # Not IF NOT EXISTS, for which PostgreSQL requires the right to create schemas in any case.
    if schema is not None and not inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema))


def columns_at(revision: str) -> set[tuple[str, str]]:
    """Return table and column of everything that a SQLite database has at ``revision``."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection, to=revision)
        found = connection.execute(text(SQLITE_COLUMNS)).all()
    engine.dispose()
    return {(table, column) for table, column in found}


def upgrade(connection: Connection, schema: str | None = None, *, to: str = "head") -> None:
    """Run the missing migrations inside the caller's transaction: all or none.

    Call ``prepare`` first.
    """
    from alembic import command

    if schema is not None:
        # So a migration that forgets to name the schema fails, and does not alter another program's
        # table in the same database.
        connection.execute(text("SELECT set_config('search_path', '', true)"))
    config = alembic_config()
    config.attributes["connection"] = connection
    config.attributes["schema"] = schema
    command.upgrade(config, to)


def alembic_config() -> Config:
    """Return what Alembic needs to find the migrations.

    Its commands also need a connection in ``attributes["connection"]``, and the schema's name, if
    there is one, in ``attributes["schema"]``.
    """
    from alembic.config import Config

    config = Config()
    # ConfigParser treats a percent sign in the path as its own syntax.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
