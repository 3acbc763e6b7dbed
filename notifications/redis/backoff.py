"""Pauses between attempts to connect to Redis."""

from __future__ import annotations

import random

import gevent

#: Seconds of the first pause after a failure, and of the longest.
FIRST_SECONDS = 0.05
MAX_SECONDS = 1.0


class Backoff:
    """Makes pauses that double with each failure.

    The first attempt comes at once. Pauses are jittered, so that workers that lost Redis
    together do not all return together.
    """

    def __init__(self) -> None:
        self._seconds = 0.0

    def pause(self) -> None:
        """Wait before the next attempt. Switches greenlets."""
        gevent.sleep(self._seconds * random.uniform(0.5, 1))  # noqa: S311 - jitter
        self._seconds = min(max(2 * self._seconds, FIRST_SECONDS), MAX_SECONDS)

    def reset(self) -> None:
        """Make the next attempt come at once: the last one was good."""
        self._seconds = 0.0
