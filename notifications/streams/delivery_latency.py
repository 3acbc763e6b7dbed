"""How long events take from the floor to the streams: a sample, cheaply taken."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

from notifications.events.encoding import StoredEvent

#: Events looked at per call of :meth:`DeliveryLatency.take`. With a call a
#: second these are 1,500 between two scrapes: enough for the slowest percent.
MAX_SAMPLES = 100

#: Events kept between two calls. Beyond it a burst is known well enough.
MAX_EVENTS = 10_000

_TIMESTAMP = b'"timestamp":"'
_TIMESTAMP_LENGTH = len("2024-01-15T10:30:00.000Z")


class DeliveryLatency:
    """Measures from when something happened until it was written to its streams.

    On the way of an event this costs one ``append`` per event and channel,
    however many streams follow it, and one look at the clock per turn of the
    event loop; the arithmetic waits for :meth:`take`.

    The end is that of the turn's flush: the last stream that could take the
    event has it. A client that is behind has its own figures (the mailbox,
    the deadline), and so has a replay, whose age is the client's absence.
    ``clock`` gives Unix seconds.
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
        """Note that everything expected so far has been written."""
        if self._unwritten:
            self._turns.append((self._clock(), self._unwritten))
            self._unwritten = []

    def take(self) -> list[float]:
        """Return the seconds that a random sample of what was written took, and forget all of it.

        Where clocks of machines disagree, less than nothing counts as nothing.
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

    Read from its bytes, which every broker keeps; None where they hold none.
    In JSON's strings quotes are escaped, so no guest's text can look like the key.
    """
    start = event.chunk.rfind(_TIMESTAMP)
    if start < 0:
        return None
    start += len(_TIMESTAMP)
    text = event.chunk[start : start + _TIMESTAMP_LENGTH].decode("ascii")
    return datetime.fromisoformat(text).timestamp()
