"""SQLAlchemy's engine for SQLite, and the errors that mean that a database has failed."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import URL

from waiter_service.store.write_lock import BUSY_TIMEOUT_SECONDS, WriteLock

# Errors that come from the state of the database, not from the statement. The plain
# DatabaseError is SQLite's, for a file that is damaged or not a database. InternalError and
# NotSupportedError are PostgreSQL's, for a read-only server and for a plan that was
# prepared before a table was altered.
_STORE_FAILED = {
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,
    exc.NotSupportedError,
    exc.DatabaseError,
    exc.TimeoutError,
    exc.PendingRollbackError,
}
# Our statements are correct, so these mean a running restore, or a role without rights. By
# PostgreSQL's codes, since its driver must not be imported here.
_TABLES_WITHHELD = {
    "42P01",  # undefined table
    "3F000",  # invalid schema name
    "42501",  # insufficient privilege
}


def store_has_failed(error: exc.SQLAlchemyError) -> bool:
    """Return whether ``error`` comes from the state of the database, not from the statement."""
    # Most subclasses of DatabaseError come from the statement.
    code = getattr(getattr(error, "orig", None), "sqlstate", None)
    return type(error) in _STORE_FAILED or code in _TABLES_WITHHELD


def sqlite_engine(url: URL, write_lock: WriteLock) -> Engine:
    """Return an engine that creates the file, and its folder, if they are missing.

    With the execution option ``writes=True`` a transaction holds ``write_lock`` from its
    beginning.
    """
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "do_connect")
    def _make_folder(*_: Any) -> None:
        folder = Path(str(url.database)).resolve().parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            # In the words of the driver for a file that it cannot open.
            raise sqlite3.OperationalError(
                f"the folder {folder} cannot be made: {error.strerror}"
            ) from error

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: Any) -> None:
        # Python's sqlite3 would choose by itself when to open transactions, and would open
        # none for reads; _begin below does it instead.
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        # Readers do not wait for the writer. When the power fails, NORMAL may lose the last
        # commits together with their outbox rows, but never only one of the two. A killed
        # process loses nothing.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        raw = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        try:
            if connection.get_execution_options().get("writes"):
                write_lock.begin(raw)
            else:
                raw.execute("BEGIN")
        except sqlite3.Error as error:
            raise exc.OperationalError("BEGIN", None, error) from error

    return engine
