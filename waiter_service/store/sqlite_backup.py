"""Backing up a SQLite database to a file, and restoring it."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from waiter_service.errors import BackupFailed, DatabaseInUse
from waiter_service.store import schema
from waiter_service.store.write_lock import BUSY_TIMEOUT_SECONDS

#: Pages copied between two reports: 8 MB, some 20 ms.
PAGES_PER_STEP = 2000

# SQLite locks single bytes far into the file: one "pending", one "reserved" and 510 "shared".
# Every open connection in WAL mode holds a shared one.
# Source: SQLite's os.h, PENDING_BYTE and SHARED_SIZE.
_FIRST_LOCK_BYTE = 0x40000000
_LOCK_BYTES = 512
# Linux's ``struct flock``: type, whence, start, length, process id.
_FLOCK = struct.Struct("hhqqi4x")
_REVISION = re.compile(r"[0-9]{4}")

#: Called with the number of pages copied, and of all pages.
Progress = Callable[[int, int], None]


def _no_progress(_done: int, _total: int) -> None:
    """Report nothing."""


def backup(database: Path, path: Path, progress: Progress = _no_progress) -> None:
    """Copy ``database``, as it is at one moment, to ``path``, while others read and write.

    ``path`` must not exist; it appears once the copy is complete. The copy is one file that only
    its owner can read, since it holds what guests have written.

    Raises:
        BackupFailed: says why; nothing is left at ``path``.
    """
    if not database.is_file():
        raise BackupFailed(f"there is no database at {database}; is DATABASE_URL right?")
    with _failures_named(path), _new_file(path) as unfinished:
        with closing(sqlite3.connect(unfinished)) as writer:
            _copy(database, writer, progress)
        _sync(unfinished)
        try:
            # Unlike a rename, this fails if the file was created meanwhile.
            os.link(unfinished, path)
        except FileExistsError:
            raise _exists(path) from None
        _sync(path.parent)


def restore(path: Path, database: Path, progress: Progress = _no_progress) -> str:
    """Replace ``database`` by a copy of the backup at ``path``; return the backup's revision.

    No process may have the database open. One that opens it meanwhile waits, and then finds
    the restored data. It is all or nothing, even if this process is killed. The file stays the
    same one, with its owner and permissions; the contents of its ``-wal`` are gone.

    Raises:
        BackupFailed: the backup is not of this service, is damaged, or is of a newer release;
            nothing was changed.
        DatabaseInUse: a process has the database open; nothing was changed.
    """
    with _failures_named(path):
        revision = _checked_revision(path)
        database.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(database, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with closing(_opened_alone(database)) as writer:
                _copy(path, writer, progress)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            _replace(database, path, progress)
    return revision


def _opened_alone(database: Path) -> sqlite3.Connection:
    """Return a connection that keeps all others out until it is closed."""
    writer = sqlite3.connect(database, timeout=0, isolation_level=None)
    try:
        # This copies the -wal into the file. With a rollback journal instead, an interrupted
        # copy is undone by the next process that opens the file.
        writer.execute("PRAGMA journal_mode = DELETE")
        # Keeps a lock once it is taken: the copy begins a transaction of its own.
        writer.execute("PRAGMA locking_mode = EXCLUSIVE")
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("COMMIT")
    except sqlite3.OperationalError as error:
        writer.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        with database.open("r+b") as file:
            raise DatabaseInUse(database, _holder(file.fileno())) from None
    except BaseException:
        writer.close()
        raise
    return writer


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # The lower byte; the others give the kind.
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)


def _replace(database: Path, path: Path, progress: Progress) -> None:
    """Replace a file that SQLite refuses to open by a copy of the backup at ``path``.

    A process that waits to open that file can only fail with it.
    """
    with _new_file(database.with_name(f"{database.name}.restored")) as unfinished:
        with closing(sqlite3.connect(unfinished)) as writer:
            _copy(path, writer, progress)
        _sync(unfinished)
        with _locked(database):
            _take_after(database, unfinished)
            # These belong to the old file: SQLite would write their contents over the new one.
            for ending in ("-wal", "-shm", "-journal"):
                database.with_name(database.name + ending).unlink(missing_ok=True)
            unfinished.replace(database)
    _sync(database.parent)


def _copy(source: Path, writer: sqlite3.Connection, progress: Progress) -> None:
    with closing(_open(source)) as reader:
        reader.isolation_level = None
        # One moment, to the end: a backup without a transaction starts again whenever another
        # process writes. Writers do not wait for it.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        reader.backup(
            writer,
            pages=PAGES_PER_STEP,
            progress=lambda _status, left, total: progress(total - left, total),
        )
    # A single file, which can be read without writing to its folder.
    writer.execute("PRAGMA journal_mode = DELETE")


def _checked_revision(path: Path) -> str:
    """Return the revision of the tables in the backup at ``path``."""
    if not path.is_file():
        raise BackupFailed(f"there is no backup at {path}")
    with closing(_open(path)) as backup:
        try:
            found = backup.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.OperationalError:
            found = []
        damage = backup.execute("PRAGMA quick_check(1)").fetchone()[0]
        columns = set(backup.execute(schema.SQLITE_COLUMNS))
    if damage != "ok":
        raise BackupFailed(f"{path} is damaged: {damage}")
    revision = found[0][0] if len(found) == 1 else None
    is_one = isinstance(revision, str) and _REVISION.fullmatch(revision) is not None
    if is_one and str(revision) > schema.expected_revision():
        raise BackupFailed(
            f"{path} is of a newer release: its schema is at {revision}, this code knows "
            f"{schema.expected_revision()}; restore it with the release that made it"
        )
    if revision not in schema.known_revisions():
        raise BackupFailed(f"{path} is no backup of this service: it lacks its tables")
    missing = schema.columns_at(revision) - columns
    if missing:
        raise BackupFailed(
            f"{path} is no backup of this service: its schema is at {revision}, "
            f"and it lacks {'.'.join(min(missing))}"
        )
    return str(revision)


def _open(path: Path) -> sqlite3.Connection:
    # Does not create a missing file. Not mode=ro, which cannot open a file in WAL mode
    # whose -shm file is missing.
    uri = f"{path.resolve().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_SECONDS)


@contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Create an empty file beside ``path``, which must not exist; remove it at the end."""
    if path.exists():
        raise _exists(path)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield unfinished
    finally:
        for ending in ("", "-journal"):
            unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)


def _exists(path: Path) -> BackupFailed:
    return BackupFailed(f"{path} exists already, and no backup is overwritten; name another file")


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    """Hold all of SQLite's locks, as SQLite does to have a file to itself."""
    # Not through SQLite, which refuses to open a damaged file.
    with database.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES, _FIRST_LOCK_BYTE)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            raise DatabaseInUse(database, _holder(file.fileno())) from None
        yield


def _holder(file: int) -> int | None:
    """Return the process that holds one of SQLite's locks, if the kernel says so."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _FIRST_LOCK_BYTE, _LOCK_BYTES, 0)
    kind, *_, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    # 0 stands for a process in another container.
    return int(pid) if kind != fcntl.F_UNLCK and pid > 0 else None


def _take_after(database: Path, replacement: Path) -> None:
    """Give ``replacement`` the permissions of ``database``, and its owner if we may."""
    old = database.stat()
    replacement.chmod(old.st_mode & 0o777)
    # An operator who runs this as root must not lock the service out of its database.
    if os.geteuid() == 0:
        os.chown(replacement, old.st_uid, old.st_gid)


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise BackupFailed(f"{path}: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{error.filename or path}: {error.strerror}") from error
