"""What has to be thrown away now and then, so that tables do not grow for ever."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from gevent.event import Event as Flag

log = logging.getLogger("housekeeping")

#: Seconds between two rounds. What is thrown away is a day old and more.
INTERVAL_SECONDS = 3600.0

#: Seconds a round under way may take to end.
STOP_SECONDS = 5.0


class Housekeeping:
    """Runs ``tasks`` once an hour, in a greenlet of its own."""

    def __init__(self, tasks: Sequence[Callable[[], None]]) -> None:
        self._tasks = tasks
        self._is_stopping = Flag()
        self._greenlet: gevent.Greenlet[..., Any] | None = None

    def start(self) -> None:
        """Begin; the first round is an hour from now. Idempotent."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """End, letting a round under way finish. Idempotent; switches greenlets."""
        self._is_stopping.set()
        if self._greenlet is not None:
            self._greenlet.join(timeout=STOP_SECONDS)

    def _run(self) -> None:
        while not self._is_stopping.wait(INTERVAL_SECONDS):
            for task in self._tasks:
                try:
                    task()
                except Exception:
                    log.exception("a task failed; the next round tries again")
