"""Whether changes can be made, found out by making one."""

from __future__ import annotations

import time
from collections.abc import Callable

from runtime.metrics.probe import NoAnswer, Probe
from waiter_service.errors import DatabaseError

#: Seconds for which an answer is reused. A write costs a sync of the disk, and the probe of
#: every load balancer and scraper asks.
KEPT_SECONDS = 10.0


class WriteProbe:
    """Changes a row that is never read, at most every ten seconds, and only when asked.

    A database may answer every question and still take no change: its disk is full, its file is
    read-only, or the server became a replica in a failover. Checks for single states would
    miss the next such state, so we write.
    """

    def __init__(
        self, write: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = Probe(write)
        self._clock = clock
        self._asked_at = float("-inf")
        self._obstacle: str | None = None

    def obstacle(self) -> str | None:
        """Return why no change can be made, or None. Takes at most a second; switches greenlets."""
        if self._clock() - self._asked_at >= KEPT_SECONDS:
            # Callers that ask meanwhile wait for the same answer.
            self._obstacle = self._find_obstacle()
            self._asked_at = self._clock()
        return self._obstacle

    def _find_obstacle(self) -> str | None:
        try:
            self._write.answer()
        except DatabaseError as error:
            return str(error)
        except NoAnswer:
            return "the database took no change within a second"
        return None
