"""Measures how long events take from the floor to the streams, from a cheap sample."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

from notifications.events.encoding import StoredEvent

#: Events sampled per call of :meth:`DeliveryLatency.take`. With one call per
#: second this is 1,500 between two scrapes: enough for the slowest percent.
MAX_SAMPLES = 100

#: Events kept between two calls. A burst of more is described well enough by these.
MAX_EVENTS = 10_000

_TIMESTAMP = b'"timestamp":"'
_TIMESTAMP_LENGTH = len("2024-01-15T10:30:00.000Z")


class DeliveryLatency:
    """Measures from the moment of a change until its event was written to its streams.

    This adds one ``append`` per event and channel to the delivery, however many streams
    follow the channel, and one look at the clock per turn of the event loop. The
    arithmetic waits for :meth:`take`.

    The measurement ends with the turn's flush: every stream that could take the event has
    it by then. Clients that are behind have their own figures (the mailbox, the deadline).
    Replays are not measured, because their events are as old as the client's absence.
    ``clock`` returns Unix seconds.
    """

    __slots__ = ("_clock", "_count", "_turns", "_unwritten")

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._unwritten: list[StoredEvent] = []
        self._turns: list[tuple[float, list[StoredEvent]]] = []
        self._count = 0

    def expect(self, event: StoredEvent) -> None:
        """Note that ``event`` is about to be written."""
        if self._count < MAX_EVENTS:
            self._count += 1
            self._unwritten.append(event)

    def written(self) -> None:
        """Note that all events expected so far have been written."""
        if self._unwritten:
            self._turns.append((self._clock(), self._unwritten))
            self._unwritten = []

    def take(self) -> list[float]:
        """Return the latencies of a random sample of the written events in seconds, and forget all.

        If the clocks of two machines disagree, a negative latency counts as 0.
        """
        turns, self._turns = self._turns, []
        self._count = len(self._unwritten)
        written = [(moment, event) for moment, events in turns for event in events]
        if len(written) > MAX_SAMPLES:
            written = random.sample(written, MAX_SAMPLES)
        return [
            max(0.0, moment - happened)
            for moment, event in written
            if (happened := happened_at(event)) is not None
        ]


def happened_at(event: StoredEvent) -> float | None:
    """Return the Unix seconds of ``event``'s timestamp: the change's, or a refresh's sending.

    Reads it from the event's bytes, which every broker keeps. Returns None if they hold none.
    JSON escapes quotes in strings, so no guest's text can look like the key.
    """
    start = event.chunk.rfind(_TIMESTAMP)
    if start < 0:
        return None
    start += len(_TIMESTAMP)
    text = event.chunk[start : start + _TIMESTAMP_LENGTH].decode("ascii")
    return datetime.fromisoformat(text).timestamp()
