"""Work that is due by time alone: deleting old rows, and ending what has a deadline."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from notifications.background import Background
from notifications.repeated_failure import RepeatedFailure
from waiter_service.errors import DatabaseError

log = logging.getLogger("housekeeping")

#: Seconds between two rounds of the hourly tasks. The rows to delete are a day old and more.
INTERVAL_SECONDS = 3600.0

#: Seconds between two rounds of the tasks that end what has a deadline.
DEADLINE_SECONDS = 1.0

Task = Callable[[], object]


class Housekeeping:
    """Runs ``hourly`` once an hour, the first time after an hour, and ``every_second`` so often."""

    def __init__(self, hourly: Sequence[Task], every_second: Sequence[Task] = ()) -> None:
        self._hourly = hourly
        self._every_second = [(task, _failure()) for task in every_second]
        self._background = Background(self._run)

    def start(self) -> None:
        """Begin. Idempotent."""
        self._background.start()

    def stop(self) -> None:
        """End, after a round under way has finished. Idempotent; switches greenlets."""
        self._background.stop()

    def _run(self) -> None:
        pause = min(DEADLINE_SECONDS, INTERVAL_SECONDS)
        next_hour_at = time.monotonic() + INTERVAL_SECONDS
        while self._background.wait(pause):
            for task, failure in self._every_second:
                with failure.told():
                    task()
            if time.monotonic() >= next_hour_at:
                next_hour_at = time.monotonic() + INTERVAL_SECONDS
                self._run_hourly()

    def _run_hourly(self) -> None:
        for task in self._hourly:
            try:
                task()
            except DatabaseError as error:
                log.warning(
                    "housekeeping task failed; the next round tries again",
                    extra={"fields": {"error": str(error)}},
                )
            except Exception:
                log.exception("housekeeping task failed; the next round tries again")


def _failure() -> RepeatedFailure:
    return RepeatedFailure(
        log,
        begins="deadlines could not be looked for; they are tried again every second",
        ends="deadlines can be looked for again",
        outages=(DatabaseError,),
    )
