"""Checks that waiting is cooperative: one greenlet that waits must not stop all others.

gevent replaces blocking functions, but only in modules that are imported afterwards. A single
import too early, and one slow query stops every stream of a worker. So each worker checks
at its start that another greenlet runs while it waits.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any

import gevent

#: Seconds that each check waits at most. A cooperative wait ends at once.
_TRIAL_SECONDS = 1.0


def blocking_parts() -> list[str]:
    """Return what would block the whole process while one greenlet waits for it.

    Checks psycopg only if it has been imported. Switches greenlets.
    """
    trials: dict[str, Callable[[], bool]] = {
        "sockets": _sockets_cooperate,
        "locks": _locks_cooperate,
    }
    if "psycopg" in sys.modules:
        trials["psycopg"] = _psycopg_cooperates
    return [name for name, cooperates in trials.items() if not cooperates()]


def _sockets_cooperate() -> bool:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(_TRIAL_SECONDS)
        writer = gevent.spawn(theirs.send, b"x")
        try:
            return ours.recv(1) == b"x"
        except TimeoutError:
            return False
        finally:
            writer.kill()


def _locks_cooperate() -> bool:
    lock = threading.Lock()
    lock.acquire()
    other = gevent.spawn(lock.release)
    try:
        return lock.acquire(timeout=_TRIAL_SECONDS)
    finally:
        other.kill()


def _psycopg_cooperates() -> bool:
    from psycopg import waiting

    def query() -> Generator[waiting.Wait, Any, bool]:
        # psycopg's protocol: ask to wait for input, and receive what is ready, which is nothing
        # once the interval is over.
        answer = yield waiting.Wait.R
        return bool(answer)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = gevent.spawn(theirs.send, b"x")
        try:
            return bool(waiting.wait(query(), ours.fileno(), _TRIAL_SECONDS))
        finally:
            writer.kill()
