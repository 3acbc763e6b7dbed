"""SQLite's one write lock, waited for without stopping other greenlets."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

# How long a writer waits for others in all. A change takes about a millisecond, so after
# five seconds something is stuck, and a waiter has pressed the button twice by then.
BUSY_TIMEOUT_SECONDS = 5.0
BUSY_TIMEOUT_MS = int(BUSY_TIMEOUT_SECONDS * 1_000)

# Between two tries for a lock that another process holds. A try takes 5 us, a change a few
# milliseconds. A guess.
LOOK_EVERY_SECONDS = 0.002


class WriteLock:
    """The right to write to one SQLite file, shared by the writers of this process.

    SQLite would wait for it in C, where greenlets cannot switch: while another process held it,
    the worker would answer no one, until gunicorn killed it. So we try, and sleep in
    between. Where gevent has patched ``time`` and ``threading``, other greenlets run meanwhile.

    Writers of this process queue before they try. So those that wait hold no connection, which
    readers would then lack, and they get the lock in the order in which they came.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._give_up_at = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for this process's earlier writers, and hold later ones back. May switch greenlets.

        Raises:
            TimeoutError (SQLAlchemy's): its turn did not come in time.
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
        """Open a transaction that holds the lock; only within ``turn``. May switch greenlets.

        Raises:
            sqlite3.OperationalError: another process did not release it in time.
        """
        # Two statements per transaction, 5 us together. The timeout is not switched off for good:
        # other locks, such as the file's while SQLite recovers from a writer's crash, last for
        # milliseconds, and SQLite waits for them wherever they occur.
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._has_begun(connection):
                time.sleep(LOOK_EVERY_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _has_begun(self, connection: sqlite3.Connection) -> bool:
        # IMMEDIATE: a transaction that reads first, and finds that another has written
        # meanwhile, could only fail.
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            # The lower byte; the others give the kind of "busy".
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= self._give_up_at:
                raise
            return False
        return True
