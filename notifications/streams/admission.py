"""Decides whether one more stream may open now: how many may be open, and how fast they open.

After an outage all clients come back at once. If all were let in together, they would
hold up everything else until the last of them is served. So in a storm each client waits
for a turn, and the number of turns depends on how late the event loop is.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import gevent
from gevent.event import AsyncResult

from notifications.errors import ServerBusy, ServerDraining, ServerFull, TooManyStreams, VenueFull

#: Seconds after which a refused client may try again. A guess: long enough to
#: spread a crowd, short enough that a screen is not stale for long.
RETRY_AFTER_SECONDS = 5

#: Seconds that a client may wait for its turn. If it waited longer, browsers
#: and proxies would time out first.
MAX_WAIT_SECONDS = 5.0

#: Seconds between two batches of turns.
BATCH_SECONDS = 0.01

#: Seconds that the loop may be late. A bearer must not delay others by more than 0.1 s,
#: and the loop is late by this and one batch at most.
MAX_LAG_SECONDS = 0.025

#: Turns in a batch: the first size, the least, and the step by which it grows whenever the
#: loop was on time. A core opens 60 to 80 streams in a hundredth of a second.
FIRST_BATCH = 50
MIN_BATCH = 5
BATCH_STEP = 10


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams a process may have open, and how many of them one bearer or one venue.

    The limit per venue, 0 for none, counts once the deployment has several venues.
    """

    max_streams: int = 10_000
    max_streams_per_principal: int = 1000
    max_streams_per_venue: int = 5000


class Admission:
    """Counts the open streams, and gives out turns to open one, first come, first served.

    Owns a greenlet while clients wait.
    """

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self.batch = FIRST_BATCH
        self._limits = limits or StreamLimits()
        self._open_count = 0
        self._open_by_principal: Counter[str] = Counter()
        self._open_by_venue: Counter[str] = Counter()
        #: Whether the deployment has several venues, so that none may take all streams.
        self.limits_venues = False
        self._taken = 0
        self._batch_at = 0.0
        # Each with the moment until which it waits.
        self._waiting: deque[tuple[float, AsyncResult[None]]] = deque()
        self._greenlet: gevent.Greenlet[..., Any] | None = None
        self.is_closed = False

    def wait_for_turn(self) -> None:
        """Return when it is the caller's turn: at once, except in a storm.

        Switches greenlets only while it waits.

        Raises:
            ServerBusy: the turn would come too late.
            ServerDraining: the process opens no more streams.
        """
        if self.is_closed:
            raise _draining()
        if not self._waiting and self._is_turn_free():
            return
        turn: AsyncResult[None] = AsyncResult()
        self._waiting.append((time.monotonic() + MAX_WAIT_SECONDS, turn))
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._hand_out_turns)
        turn.get()

    def enter(self, principal_key: str, venue_id: str) -> None:
        """Count one more stream in a venue.

        Raises:
            ServerDraining, TooManyStreams, VenueFull, ServerFull: it must not open, and was
                not counted.
        """
        if self.is_closed:
            raise _draining()
        limits = self._limits
        if self._open_by_principal.get(principal_key, 0) >= limits.max_streams_per_principal:
            raise TooManyStreams(
                f"There are {limits.max_streams_per_principal} streams open with this access; "
                "close one first.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        if self.limits_venues and 0 < limits.max_streams_per_venue <= self._open_by_venue[venue_id]:
            raise VenueFull(
                "This venue has as many streams open as it may have on this server.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        if self._open_count >= limits.max_streams:
            raise ServerFull(
                "This server has as many streams open as it may have.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._open_count += 1
        self._open_by_principal[principal_key] += 1
        self._open_by_venue[venue_id] += 1

    def leave(self, principal_key: str, venue_id: str) -> None:
        """Take back what :meth:`enter` counted."""
        self._open_count -= 1
        self._open_by_principal[principal_key] -= 1
        if not self._open_by_principal[principal_key]:
            del self._open_by_principal[principal_key]
        self._open_by_venue[venue_id] -= 1
        if not self._open_by_venue[venue_id]:
            del self._open_by_venue[venue_id]

    def close(self) -> None:
        """Refuse all clients that wait, and all that come later. Idempotent."""
        self.is_closed = True
        while self._waiting:
            self._waiting.popleft()[1].set_exception(_draining())

    def _is_turn_free(self) -> bool:
        # The time at which the loop began its current round. Reading it costs no system call,
        # and all connections that become ready together count as one batch, however long it takes.
        now = gevent.get_hub().loop.now()
        if abs(now - self._batch_at) >= BATCH_SECONDS:
            self._batch_at, self._taken = now, 0
        self._taken += 1
        return self._taken <= self.batch

    def _hand_out_turns(self) -> None:
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
