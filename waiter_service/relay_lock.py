"""Knowing whether a SQLite outbox's claims can belong to anybody alive."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from waiter_service.errors import DatabaseUnavailable

# The exclusive moment of another process is one statement long.
WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.02


class RelayLock:
    """A lock file beside the database that everyone who claims holds in common.

    Whoever can have it alone for a moment knows that nobody alive has claims,
    so those in the table were left by the dead, and are void. That is how a
    server that was killed while announcing goes on at once after its restart,
    instead of waiting for its own lease. The kernel gives the lock up with
    its holder, however that dies; process ids, the other way to tell the dead
    from the living, come again, and mean nothing across containers.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def join(self, void_claims: Callable[[], None]) -> None:
        """Hold the lock in common; call ``void_claims`` first when nobody else does.

        Joining again is harmless. May sleep, up to ``WAIT_SECONDS``, while
        another process starts.

        Raises:
            DatabaseUnavailable: it took longer, or the file cannot be opened.
        """
        if self._file is not None:
            return
        try:
            # Reading is enough for a lock, and an operator's script may run
            # as somebody who may not write the server's file.
            file = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DatabaseUnavailable(f"{self._path} cannot be opened: {error.strerror}") from error
        try:
            if _locked(file, fcntl.LOCK_EX):
                void_claims()
            # Not one step: another may be alone in between. It finds no claim of ours.
            deadline = time.monotonic() + WAIT_SECONDS
            while not _locked(file, fcntl.LOCK_SH):
                if time.monotonic() > deadline:
                    raise DatabaseUnavailable(f"{self._path} is held by a process that hangs")
                time.sleep(_PAUSE_SECONDS)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def leave(self) -> None:
        """Give the lock up, after the last claim."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _locked(file: int, mode: int) -> bool:
    try:
        fcntl.flock(file, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
