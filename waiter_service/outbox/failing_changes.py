"""Changes that cannot be announced, told once when that begins and once when it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

log = logging.getLogger("waiter_service.outbox.announcer")

#: Seconds after which a failed change is no longer waited for: it is tried at least
#: every half minute (``claims.PAUSES_SECONDS``), and by now another process took it.
FORGET_SECONDS = 60.0


class FailingChanges:
    """Keeps a log readable while what is announced fails again and again.

    An outage fails every change, and each of them several times. The first failure
    of each kind of exception is to be logged with its traceback; the rest are counted
    until every change that failed was taken, or is no longer tried here.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed_at: dict[str, float] = {}
        self._kinds: set[type[Exception]] = set()
        self._failures = 0

    def is_news(self, change_id: str, error: Exception) -> bool:
        """Note a failure; return whether it is the first of its kind, and to be logged."""
        self._forget_old()
        self._failed_at[change_id] = self._clock()
        self._failures += 1
        is_news = type(error) not in self._kinds
        self._kinds.add(type(error))
        return is_news

    def taken(self, change_id: str) -> None:
        """Note that a change was taken, and log the end of it once none is left that failed."""
        if self._failed_at:
            self._failed_at.pop(change_id, None)
            self._forget_old()
            if not self._failed_at:
                log.info(
                    "changes are announced again", extra={"fields": {"failures": self._failures}}
                )
                self._kinds.clear()
                self._failures = 0

    def _forget_old(self) -> None:
        limit = self._clock() - FORGET_SECONDS
        for change_id in [each for each, at in self._failed_at.items() if at < limit]:
            del self._failed_at[change_id]
