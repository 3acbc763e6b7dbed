"""The database: one engine, its transactions, and whether it can be used."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Self, cast

from sqlalchemy import Connection, Engine, QueuePool, exc, text
from sqlalchemy.orm import Session

from waiter_service.errors import CreatedBeforeFork, DatabaseUnavailable, SchemaOutOfDate
from waiter_service.store import schema as tables
from waiter_service.store.database_url import usable_schema, usable_url
from waiter_service.store.engines import sqlite_engine, store_has_failed
from waiter_service.store.fingerprint import fingerprint
from waiter_service.store.write_lock import WriteLock

# Inserts or updates in one statement, so it also works after the table was emptied.
_PROBE = (
    "INSERT INTO {schema}write_probe (id, writes) VALUES (1, 1)"
    " ON CONFLICT (id) DO UPDATE SET writes = write_probe.writes + 1"
)


class Database:
    """A SQLite file or a PostgreSQL database, and transactions on it.

    ``url`` is a ``sqlite:///`` or ``postgresql://`` URL; without one it is
    ``instance/restaurant.db`` beside the code. The first use connects and checks the tables,
    once. Safe to share among threads and greenlets. Create it after a fork, not before: in a
    child of the process that created it, every use raises ``CreatedBeforeFork``.

    On PostgreSQL, ``schema`` is the schema that holds the tables, by default the first of the
    connection's ``search_path``. Every statement names it, so ``search_path``, which a pooler
    may reset, does not matter.

    On PostgreSQL every call may switch greenlets. On SQLite only a call that writes may, while
    it waits for another writer, before it has begun.

    Raises:
        DatabaseUrlInvalid: ``url`` is neither of the two; or it is SQLite in memory, which
            other processes and connections could not see; or its query has an option
            that the driver does not know.
        DatabaseSchemaInvalid: ``schema`` is not a valid name, or is given for SQLite.
    """

    def __init__(self, url: str | None = None, *, schema: str | None = None) -> None:
        self.url = usable_url(url)
        self.schema = usable_schema(schema, self.url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._turn: Callable[[], AbstractContextManager[None]] = nullcontext
        if self.is_sqlite:
            write_lock = WriteLock()
            self._turn = write_lock.turn
            self._engine = sqlite_engine(self.url, write_lock)
        else:
            # It imports the driver; a process with SQLite starts sooner without it.
            from waiter_service.store.postgresql_engine import postgresql_engine

            self._engine = postgresql_engine(self.url, self.schema)
        self._writer = self._engine.execution_options(writes=True)
        self._committer = (
            self._writer
            if self.is_sqlite
            else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )
        self._reader = (
            self._engine
            if self.is_sqlite
            else self._engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        )
        self._probe = text(_PROBE.format(schema=f'"{self.schema}".' if self.schema else ""))
        # At the end of the process, too: closing the last connection copies the -wal into
        # the file and removes it. A copy of the file alone would lack changes.
        self._disposal = weakref.finalize(self, self._engine.dispose)
        self._is_checked = False
        self._made_by = os.getpid()
        self._is_inherited = False
        _made_here.add(self)

    @classmethod
    def checked(cls, url: str | None = None, *, schema: str | None = None) -> Self:
        """Return a database that can be used, or raise now; see ``check``."""
        database = cls(url, schema=schema)
        try:
            database.check()
        except BaseException:
            database.dispose()
            raise
        return database

    @property
    def engine(self) -> Engine:
        """The engine, for migrations and for event listeners."""
        return self._engine

    def pool_use(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many may be at once."""
        pool = cast("QueuePool", self._engine.pool)
        return pool.checkedout(), pool.size() + pool._max_overflow

    @property
    def fingerprint(self) -> str:
        """A digest of its host, name and schema, which differs from that of other databases."""
        return fingerprint(self.url, self.schema)

    @property
    def sqlite_path(self) -> Path | None:
        """The file itself, with symbolic links followed; ``None`` on PostgreSQL."""
        # SQLite follows links too, so what lies beside the file is beside this path.
        # Not Path.resolve, which raises for a loop of links.
        return Path(os.path.realpath(str(self.url.database))) if self.is_sqlite else None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that changes something; commit it unless the block raises.

        SQLite runs one of these at a time, from its beginning. On PostgreSQL the block must
        lock the rows it depends on.

        Raises:
            DatabaseUnavailable: no answer, or another writer took too long.
            SchemaOutOfDate: at the first use.
            CreatedBeforeFork: this process is a child of the one that created it.
        """
        with self._translated_errors():
            self._check_once()
            with self._turn(), Session(self._writer, expire_on_commit=False) as orm, orm.begin():
                yield orm

    @contextmanager
    def committing(self) -> Iterator[Connection]:
        """Open a connection on which each statement is committed by itself.

        A single statement thereby saves PostgreSQL the round trips of BEGIN and COMMIT. On SQLite
        the block is an ordinary transaction.

        Raises: like ``writing``.
        """
        with self._translated_errors():
            self._check_once()
            with self._turn(), self._committer.begin() as connection:
                yield connection

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one moment, however many statements it takes.

        Raises: like ``writing``.
        """
        with self._translated_errors():
            self._check_once()
            with Session(self._reader, expire_on_commit=False) as orm, orm.begin():
                yield orm

    def upgrade(self) -> None:
        """Bring the tables to the schema that this code expects; does nothing if they have it.

        A missing schema is created. Two processes may do this at once: the second waits for the
        first.

        Raises:
            SchemaOutOfDate: the tables are a newer release's, or another program's.
        """
        with self._translated_errors(), self._turn(), self._writer.begin() as connection:
            tables.prepare(connection, self.schema)
            found = tables.found_revision(connection, self.schema)
            if found is not None and found not in tables.known_revisions():
                raise SchemaOutOfDate(str(self), found=found, expected=tables.expected_revision())
            tables.upgrade(connection, self.schema)

    def check(self) -> None:
        """Ask the database whether it can be used.

        Raises:
            DatabaseUnavailable: no answer.
            SchemaOutOfDate: it needs ``upgrade()``, or newer code.
        """
        with self._translated_errors(), self._reader.connect() as connection:
            found = tables.found_revision(connection, self.schema)
        expected = tables.expected_revision()
        if found != expected:
            raise SchemaOutOfDate(str(self), found=found, expected=expected)

    def write_probe(self) -> None:
        """Change a row that is never read, to find out whether changes can be made.

        Raises: like ``writing``.
        """
        with self.committing() as connection:
            connection.execute(self._probe)

    def dispose(self) -> None:
        """Close the connections; a later use opens new ones."""
        if not self._is_inherited:  # they are still the parent's
            self._engine.dispose()

    def _become_inherited(self) -> None:
        """Leave everything to the parent: this process is a fork of the one that created it.

        A new pool would not be enough. The service's claims on the outbox carry one name, by
        which two processes would announce the same changes. And a lock that another thread of
        the parent held at the fork stays locked here.
        """
        self._is_inherited = True
        # Closing them would end the parent's connections.
        self._disposal.detach()

    def _check_once(self) -> None:
        if not self._is_checked:
            self.check()
            self._is_checked = True

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        if self._is_inherited:
            raise CreatedBeforeFork(str(self), made_by=self._made_by, used_by=os.getpid())
        try:
            yield
        except exc.SQLAlchemyError as error:
            if not store_has_failed(error):
                raise
            # The driver's message, not SQLAlchemy's, which would show the statement and with
            # it what guests have written.
            cause = getattr(error, "orig", None) or error
            raise DatabaseUnavailable(
                f"the database {self} cannot be used: {str(cause).strip()}; "
                "is it running, and is DATABASE_URL right?"
            ) from error

    def __str__(self) -> str:
        url = self.url.render_as_string(hide_password=True)
        return f"{url} (schema {self.schema})" if self.schema else url

    def __repr__(self) -> str:
        return f"Database({str(self)!r})"


_made_here: weakref.WeakSet[Database] = weakref.WeakSet()


def _close_files_before_fork() -> None:
    # SQLite counts the locks of a process. A child inherits the count but not the locks: it
    # would believe that its own connections hold locks that only the parent's hold, and lose
    # what it writes once the parent has closed the file. Without an open connection there
    # is nothing to inherit.
    for database in list(_made_here):
        if database.is_sqlite:
            database.dispose()


def _inherit_databases() -> None:
    for database in list(_made_here):
        database._become_inherited()


# Recorded once for each fork, so that no use of a database has to ask for the process's id.
os.register_at_fork(before=_close_files_before_fork, after_in_child=_inherit_databases)
