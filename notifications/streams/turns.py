"""Turns: how fast clients are let in, which is as fast as the event loop bears it.

After an outage all clients come back at once. Let in together, they would stop
everybody else for as long as all of them take. So in a storm each waits for a turn,
and the number of turns follows how late the loop is.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import gevent
from gevent.event import AsyncResult

from notifications.errors import ServerBusy, ServerDraining
from notifications.streams.admission import RETRY_AFTER_SECONDS

#: Seconds a client may be kept waiting for its turn. Longer, and browsers'
#: and proxies' own patience would end first.
MAX_WAIT_SECONDS = 5.0

#: Seconds between two batches of turns.
BATCH_SECONDS = 0.01

#: Seconds that the loop may be late. One bearer may delay nobody by more than 0.1 s,
#: and the loop is never late by more than this and one batch.
MAX_LAG_SECONDS = 0.025

#: Turns in a batch: at first, at least, and how many more each time the loop was in time.
#: A core opens 60 to 80 streams in a hundredth of a second.
FIRST_BATCH = 50
MIN_BATCH = 5
BATCH_STEP = 10


class Turns:
    """Hands out turns, first come, first served. Owns a greenlet while somebody waits."""

    def __init__(self) -> None:
        self.batch = FIRST_BATCH
        self._taken = 0
        self._batch_at = 0.0
        # With the moment until which each waits.
        self._waiting: deque[tuple[float, AsyncResult[None]]] = deque()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self._is_closed = False

    def take(self) -> None:
        """Return when it is the caller's turn: at once, but in a storm. Switches greenlets then.

        Raises:
            ServerBusy: it would have been too late.
            ServerDraining: there are no turns any more.
        """
        if self._is_closed:
            raise _draining()
        if not self._waiting and self._is_one_free():
            return
        turn: AsyncResult[None] = AsyncResult()
        self._waiting.append((time.monotonic() + MAX_WAIT_SECONDS, turn))
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)
        turn.get()

    def close(self) -> None:
        """Refuse those who wait, and all who come. Idempotent."""
        self._is_closed = True
        while self._waiting:
            self._waiting.popleft()[1].set_exception(_draining())

    def _is_one_free(self) -> bool:
        # The time at which the loop began what it is at now. Asking costs no system call,
        # and all that becomes ready together counts as one batch, however long it takes.
        now = gevent.get_hub().loop.now()
        if abs(now - self._batch_at) >= BATCH_SECONDS:
            self._batch_at, self._taken = now, 0
        self._taken += 1
        return self._taken <= self.batch

    def _run(self) -> None:
        while self._waiting:
            began = time.monotonic()
            gevent.sleep(BATCH_SECONDS)
            now = time.monotonic()
            if now - began - BATCH_SECONDS > MAX_LAG_SECONDS:
                self.batch = max(MIN_BATCH, self.batch // 2)
            elif len(self._waiting) > self.batch:
                self.batch += BATCH_STEP
            while self._waiting and self._waiting[0][0] < now:
                self._waiting.popleft()[1].set_exception(
                    ServerBusy(
                        "Too many clients are connecting at once.",
                        retry_after_seconds=RETRY_AFTER_SECONDS,
                    )
                )
            for _ in range(min(self.batch, len(self._waiting))):
                self._waiting.popleft()[1].set()
        self._greenlet = None


def _draining() -> ServerDraining:
    return ServerDraining("This server is restarting.", retry_after_seconds=1)
