"""Deleting old rows periodically, so that tables do not grow forever."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from notifications.background import Background

log = logging.getLogger("housekeeping")

#: Seconds between two rounds. The rows to delete are a day old and more.
INTERVAL_SECONDS = 3600.0


class Housekeeping:
    """Runs ``tasks`` once an hour; the first round is an hour after the start."""

    def __init__(self, tasks: Sequence[Callable[[], None]]) -> None:
        self._tasks = tasks
        self._background = Background(self._run)

    def start(self) -> None:
        """Begin. Idempotent."""
        self._background.start()

    def stop(self) -> None:
        """End, after a round under way has finished. Idempotent; switches greenlets."""
        self._background.stop()

    def _run(self) -> None:
        while self._background.wait(INTERVAL_SECONDS):
            for task in self._tasks:
                try:
                    task()
                except Exception:
                    log.exception("housekeeping task failed; the next round tries again")
