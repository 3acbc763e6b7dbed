"""The serving lock: without Redis, one process at a time serves a folder.

With the memory broker the history belongs to one process. A second one would relay half of
the changes to its own streams only. So it stands by: it accepts no connection until it has
the lock, which the serving process releases before it closes its streams.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path


class StandingBy(Exception):
    """Another process serves; this one may start once that one ends."""


class ServingLock:
    """The right to serve all ``paths``, one lock file each.

    The kernel releases a lock when its holder dies, in whatever way. Beside each lock is
    another, ``.next``, which the waiting process holds, so that the holder knows whether
    another process will take over at once. Never switches greenlets.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._held: dict[Path, int] = {}
        self._places: dict[Path, int] = {}

    def acquire(self) -> bool:
        """Take the lock, or queue for it and return False. Idempotent."""
        for path in self._paths:
            if path in self._held:
                continue
            if (descriptor := _lock(path)) is None:
                # Holding only some of the locks would just block other processes.
                _release(self._held)
                self._stand_in_line(path)
                return False
            self._held[path] = descriptor
        _release(self._places)
        return True

    def is_awaited(self) -> bool:
        """Return whether another process waits for the lock."""
        for path in self._paths:
            if (descriptor := _lock(_next(path))) is None:
                return True
            os.close(descriptor)
        return False

    def release(self) -> None:
        """Release the lock, or our place in the queue for it. Idempotent."""
        _release(self._held)
        _release(self._places)

    def _stand_in_line(self, path: Path) -> None:
        if path not in self._places and (descriptor := _lock(_next(path))) is not None:
            self._places[path] = descriptor


def _next(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _lock(path: Path) -> int | None:
    """Return the descriptor of a locked file, or None if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _release(held: dict[Path, int]) -> None:
    while held:
        os.close(held.popitem()[1])
