"""Streams without sockets: for tests of what happens inside one process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import gevent

from notifications.brokers.memory.broker import MemoryBroker
from notifications.events.encoding import Frame, StoredEvent, body
from notifications.events.heartbeat import Heartbeat
from notifications.principal import Principal, Role
from notifications.streams.admission import Admission, StreamLimits
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stream import CloseReason, Stream

T = TypeVar("T")

_numbers = itertools.count(1)
HEARTBEAT_BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, 10, 30, tzinfo=UTC)))

ANNA = Principal(Role.WAITER, "anna", expires_at=2e9, issued_at=0.0)


def make_stream(
    channel: str = "main:waiter:anna", *, is_live: bool = True, expires_at: float | None = None
) -> Stream:
    """Return a stream that is not registered; a live one has nothing to replay."""
    now = time.time()
    stream = Stream(
        f"stream-{next(_numbers)}",
        channel,
        ANNA,
        client="192.0.2.1",
        opened_at=now,
        expires_at=now + 3600 if expires_at is None else expires_at,
    )
    stream.is_replaying = not is_live
    return stream


def make_event(offset: int, epoch: str = "e1") -> StoredEvent:
    """Return an event of some channel."""
    return StoredEvent(epoch, offset, HEARTBEAT_BODY)


class RecordingOutlet:
    """Records what it is given; accepts nothing while ``is_stalled``."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        stream.outlet = self
        self.is_stalled = False
        self.blocked_since: float | None = None
        self.writes: list[list[StoredEvent]] = []
        self.frames: list[Frame] = []
        self.last: Frame | None = None
        self.is_closed = False
        self.is_aborted = False

    @property
    def offsets(self) -> list[int]:
        """The offsets of all events written so far."""
        return [event.offset for write in self.writes for event in write]

    def flush(self) -> None:
        if not self.is_stalled and (events := self._stream.take()):
            self.writes.append(events)

    def send(self, frame: Frame) -> None:
        if not self.is_stalled:
            self.frames.append(frame)

    def close(self, last: Frame | None, *, abort: bool) -> None:
        self.last, self.is_aborted, self.is_closed = last, abort, True


class RecordingStreams(OpenStreams):
    """Records the streams it has closed, and the reasons."""

    def __init__(self, *, groups: int = 4) -> None:
        limits = StreamLimits(max_streams_per_principal=10_000)
        super().__init__(MemoryBroker(), Admission(limits), groups=groups)
        self.closed: list[tuple[Stream, CloseReason]] = []

    def close(self, stream: Stream, reason: CloseReason) -> None:
        if not stream.is_closed:
            self.closed.append((stream, reason))
        super().close(stream, reason)


def wait_in_loop(condition: Callable[[], T], timeout: float = 5.0) -> T:
    """Return the first true value of ``condition()``; gevent's loop runs meanwhile.

    Raises:
        AssertionError: ``timeout`` seconds went by.
    """
    deadline = time.monotonic() + timeout
    eager_until = time.monotonic() + 0.01
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout:g} s; last: {value!r}"
        # After other greenlets have run. The sleep also lets a client's thread run.
        gevent.sleep(0 if time.monotonic() < eager_until else 0.001)
    return value


def pass_turn() -> None:
    """Let the event loop run its pending callbacks."""
    gevent.sleep(0.001)
