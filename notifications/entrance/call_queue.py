"""A queue for the calls of each bearer, so that one bearer's calls do not delay the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gevent
from gevent.lock import BoundedSemaphore

from notifications.errors import TooManyCalls
from waiter_service.pacing import PAUSE_SECONDS

#: Calls of one bearer that run at once. The calls of other bearers run in between, so this
#: decides how long they wait: each call holds the worker for some milliseconds at a time.
#: A guess; it is also more than one screen ever needs.
CALLS_AT_ONCE = 2

#: How many further calls may wait, and for how many seconds. A guess.
MAX_WAITING_CALLS = 100
MAX_WAIT_SECONDS = 10.0


class CallQueue:
    """Runs only a few calls of one bearer at a time; the others wait in line.

    The calls of other bearers run in between, however many calls one bearer sends at once.
    """

    def __init__(self, at_once: int = CALLS_AT_ONCE) -> None:
        self._at_once = at_once
        self._lines: dict[str, _Line] = {}

    @contextmanager
    def turn(self, key: str) -> Iterator[None]:
        """Wait for a turn of the bearer ``key``, and hold it. May switch greenlets.

        Raises:
            TooManyCalls: too many calls wait already, or the turn did not come in time.
        """
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(BoundedSemaphore(self._at_once))
        if line.calls >= self._at_once + MAX_WAITING_CALLS:
            raise _too_many_at_once()
        line.calls += 1
        try:
            if not line.semaphore.acquire(timeout=MAX_WAIT_SECONDS):
                raise _too_many_at_once()
            try:
                # Many calls may arrive together. Without this yield the worker would run them
                # all before it reads anything that other clients send.
                gevent.sleep(PAUSE_SECONDS)
                yield
            finally:
                line.semaphore.release()
        finally:
            line.calls -= 1
            if not line.calls:
                del self._lines[key]


@dataclass(slots=True)
class _Line:
    semaphore: BoundedSemaphore
    calls: int = 0


def _too_many_at_once() -> TooManyCalls:
    return TooManyCalls(
        "Too many calls with this access are under way at once.", retry_after_seconds=1
    )
