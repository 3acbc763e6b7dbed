"""The store: one engine, its transactions, and whether it can be used."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Self, cast

from sqlalchemy import Connection, Engine, QueuePool, exc, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from waiter_service import schema
from waiter_service.engines import postgresql_engine, sqlite_engine, store_has_failed
from waiter_service.errors import DatabaseUnavailable, DatabaseUrlInvalid, SchemaOutOfDate
from waiter_service.fingerprint import fingerprint
from waiter_service.write_lock import WriteLock

DEFAULT_SQLITE_PATH = Path(__file__).resolve().parent.parent / "instance" / "restaurant.db"

# Inserted and updated in one statement, so that it also works in a table that was emptied.
_PROBE = text(
    "INSERT INTO write_probe (id, writes) VALUES (1, 1)"
    " ON CONFLICT (id) DO UPDATE SET writes = write_probe.writes + 1"
)


class Database:
    """A SQLite file or a PostgreSQL database, and transactions on it.

    ``url`` is a ``sqlite:///`` or ``postgresql://`` URL; without one it is
    ``instance/restaurant.db`` beside the code. Nothing is connected before
    the first use, which also checks the schema, once. Safe to share among
    threads and greenlets; make it after a fork, not before.

    On PostgreSQL every call may switch greenlets. On SQLite only one that
    writes may, while it waits for another writer, before it has begun.

    Raises:
        DatabaseUrlInvalid: neither of the two, or SQLite in memory, which
            other processes, and other connections, could not see.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = usable_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._turn: Callable[[], AbstractContextManager[None]] = nullcontext
        if self.is_sqlite:
            write_lock = WriteLock()
            self._turn = write_lock.turn
            self._engine = sqlite_engine(self.url, write_lock)
        else:
            self._engine = postgresql_engine(self.url)
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
        # At the end of the process, too: the last connection that is closed copies the
        # -wal into the file and removes it. A copy of the file alone would lack changes.
        weakref.finalize(self, self._engine.dispose)
        self._is_checked = False

    @classmethod
    def checked(cls, url: str | None = None) -> Self:
        """Return a database that can be used, or fail now; see ``check``."""
        database = cls(url)
        try:
            database.check()
        except BaseException:
            database.dispose()
            raise
        return database

    @property
    def engine(self) -> Engine:
        """The engine underneath, for migrations and for listening to statements."""
        return self._engine

    def pool_use(self) -> tuple[int, int]:
        """Return how many connections are in use, and how many may be at once."""
        pool = cast("QueuePool", self._engine.pool)
        return pool.checkedout(), pool.size() + pool._max_overflow

    @property
    def fingerprint(self) -> str:
        """A digest of its host, name and schema, which tells it from other databases."""
        return fingerprint(self.url)

    @property
    def sqlite_path(self) -> Path | None:
        """The file, or ``None`` on PostgreSQL."""
        return Path(str(self.url.database)) if self.is_sqlite else None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that changes something; commit it unless the block raises.

        SQLite lets one of these run at a time, from its beginning; on
        PostgreSQL it is the block that locks the rows it depends on.

        Raises:
            DatabaseUnavailable: no answer, or another writer took too long.
            SchemaOutOfDate: found at the first use.
        """
        with self._translated_errors():
            self._check_once()
            with self._turn(), Session(self._writer, expire_on_commit=False) as orm, orm.begin():
                yield orm

    @contextmanager
    def committing(self) -> Iterator[Connection]:
        """Open a connection for statements that each change something by itself.

        Where one is all there is to do, that spares PostgreSQL the round trips of
        BEGIN and COMMIT: each is committed as it is carried out. On SQLite it is a
        transaction like any other.

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
        """Bring the tables to what this code expects; nothing to do is fine.

        Two processes may do it at once: the second waits for the first.
        """
        with self._translated_errors(), self._turn(), self._writer.begin() as connection:
            schema.upgrade(connection)

    def is_current(self) -> bool:
        """Tell whether the tables are those this code expects.

        Raises:
            DatabaseUnavailable: it could not be asked.
        """
        try:
            self.check()
        except SchemaOutOfDate:
            return False
        return True

    def check(self) -> None:
        """Ask the database whether it can be used.

        Raises:
            DatabaseUnavailable: no answer.
            SchemaOutOfDate: it needs ``upgrade()``, or newer code.
        """
        with self._translated_errors(), self._reader.connect() as connection:
            found = schema.found_revision(connection)
        expected = schema.expected_revision()
        if found != expected:
            raise SchemaOutOfDate(str(self), found=found, expected=expected)

    def write_probe(self) -> None:
        """Change something that nobody reads, to find out whether changes can be made.

        Raises: like ``writing``.
        """
        with self.committing() as connection:
            connection.execute(_PROBE)

    def dispose(self) -> None:
        """Close the connections; a later use opens new ones."""
        self._engine.dispose()

    def _check_once(self) -> None:
        if not self._is_checked:
            self.check()
            self._is_checked = True

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except exc.SQLAlchemyError as error:
            if not store_has_failed(error):
                raise
            # The driver's own words, not SQLAlchemy's, which would show the
            # statement and with it what guests have written.
            cause = getattr(error, "orig", None) or error
            raise DatabaseUnavailable(
                f"the database {self} cannot be used: {str(cause).strip()}; "
                "is it running, and is DATABASE_URL right?"
            ) from error

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def __repr__(self) -> str:
        return f"Database({str(self)!r})"


def url_from(environ: Mapping[str, str]) -> str | None:
    """Return the URL that an environment asks for; None stands for the default."""
    if url := environ.get("DATABASE_URL"):
        return url
    if instance_dir := environ.get("INSTANCE_DIR"):
        # As settings.py reads it: "~" is nobody's folder of that name.
        path = Path(instance_dir).expanduser().resolve() / "restaurant.db"
        # Not put together by hand: in a URL, "?" would begin a query and "%" an escape.
        return URL.create("sqlite", database=str(path)).render_as_string()
    return None


def usable_url(url: str | None) -> URL:
    """Return ``url`` as SQLAlchemy is to see it, whichever driver it names.

    Raises:
        DatabaseUrlInvalid: see ``Database``. Tells nothing of the URL, which may hold a password.
    """
    if not url:
        return URL.create("sqlite", database=str(DEFAULT_SQLITE_PATH))
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError) as error:  # a port that is no number, for one
        raise DatabaseUrlInvalid(
            "DATABASE_URL is not a URL; use sqlite:////path/to/file.db or "
            "postgresql://user:password@host/name"
        ) from error
    backend = parsed.drivername.partition("+")[0]
    # "postgres" is how many hosts still spell it; SQLAlchemy no longer does.
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise DatabaseUrlInvalid(f"{backend} is not supported; use sqlite or postgresql")
    if not parsed.database or parsed.database == ":memory:" or "mode" in parsed.query:
        raise DatabaseUrlInvalid(
            "SQLite in memory cannot be shared; name a file: sqlite:////path/to/file.db"
        )
    return parsed.set(drivername="sqlite")
