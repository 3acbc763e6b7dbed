"""Whether changes can be made, asked by making one."""

from __future__ import annotations

import time
from collections.abc import Callable

from runtime.metrics.probe import NoAnswer, Probe
from waiter_service.errors import DatabaseError

#: Seconds for which an answer is given again. A write costs a sync of the disk, and every
#: probe of every load balancer and scraper asks.
KEPT_SECONDS = 10.0


class WriteProbe:
    """Makes a change that nobody reads, at most every ten seconds, and only when asked.

    A database may answer every question and still take no change: its disk is full, its
    file is read-only, or the server is a replica since a failover. To ask the database for
    such states one by one would miss the next one, so we write.
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
            # Who asks meanwhile waits for the same answer.
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
