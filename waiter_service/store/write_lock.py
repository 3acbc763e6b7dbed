"""SQLite's one write lock, waited for without stopping anybody else."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

# How long a writer waits for others, all in all. A change takes about a
# millisecond, so five seconds mean something is stuck, and a waiter has pressed
# twice by then.
BUSY_TIMEOUT_SECONDS = 5.0
BUSY_TIMEOUT_MS = int(BUSY_TIMEOUT_SECONDS * 1_000)

# Between two looks at a lock that another process holds. A look takes 5 us, a
# change a few milliseconds. A guess.
LOOK_EVERY_SECONDS = 0.002


class WriteLock:
    """The right to write to one SQLite file, as those of this process share it.

    SQLite would wait for it in C, where no greenlet can switch: while another
    process held it, a worker answered nobody, and in the end gunicorn killed
    it. So we ask, and sleep in between. Where gevent has patched ``time`` and
    ``threading``, that lets others run.

    Writers of this process take turns before they ask. So those who wait hold
    no connection, of which readers would find none left, and come in the order
    they came, where looking now and then may let anybody overtake.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._give_up_at = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this process's other writers, and keep later ones waiting. May switch greenlets.

        Raises:
            TimeoutError (SQLAlchemy's): the turn has not come in time.
        """
        give_up_at = time.monotonic() + BUSY_TIMEOUT_SECONDS
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_SECONDS):
            raise exc.TimeoutError("database is locked")
        try:
            self._give_up_at = give_up_at
            yield
        finally:
            self._turn.release()

    def begin(self, connection: sqlite3.Connection) -> None:
        """Open a transaction that has the lock; only within ``turn``. May switch greenlets.

        Raises:
            sqlite3.OperationalError: another process did not give it up in time.
        """
        # Two statements a transaction, 5 us together. Not switched off for good:
        # whatever else may be locked, such as the file while its last writer's
        # crash is made good, is locked for milliseconds, and SQLite waits for it
        # wherever that happens.
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._has_begun(connection):
                time.sleep(LOOK_EVERY_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _has_begun(self, connection: sqlite3.Connection) -> bool:
        # IMMEDIATE: a transaction that reads first and then finds another has
        # written meanwhile could only fail.
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # The lower byte: the others say what kind of busy.
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= self._give_up_at:
                raise
            return False
        return True
