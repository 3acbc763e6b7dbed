"""What happens to all streams by and by: heartbeats, expiry, stalled writes.

One greenlet for all of them. A timer each would cost every quiet stream
kilobytes and every connect microseconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import gevent

from notifications.events.encoding import Frame, block
from notifications.events.heartbeat import Heartbeat
from notifications.streams.delivery import Delivery
from notifications.streams.registry import StreamRegistry
from notifications.streams.stream import CloseReason, Stream

log = logging.getLogger("notifications.streams")

TICKS_PER_SECOND = 4
#: Seconds between two rounds; how late an expired token may end its stream.
TICK_SECONDS = 1 / TICKS_PER_SECOND


class Pulse:
    """Goes round the streams of one process while it runs.

    ``every_second`` is called about once a second, between two rounds.
    """

    def __init__(
        self,
        streams: StreamRegistry,
        delivery: Delivery,
        *,
        write_deadline_seconds: float,
        close_stream: Callable[[Stream, CloseReason], None],
        every_second: Callable[[], None],
    ) -> None:
        self._streams = streams
        self._delivery = delivery
        self._write_deadline_seconds = write_deadline_seconds
        self._close_stream = close_stream
        self._every_second = every_second
        self._greenlet: gevent.Greenlet[..., Any] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._greenlet is not None

    def start(self) -> None:
        """Begin to go round. Idempotent."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """End at once. Idempotent; switches greenlets."""
        if self._greenlet is not None:
            greenlet, self._greenlet = self._greenlet, None
            greenlet.kill()

    def _run(self) -> None:
        turn = 0
        while True:
            gevent.sleep(TICK_SECONDS)
            turn += 1
            try:
                self._beat(turn)
                self._sweep(turn, time.time(), time.monotonic())
                if turn % TICKS_PER_SECOND == 0:
                    self._every_second()
            except Exception:
                # Without its pulse a process would keep dead streams for ever.
                log.exception("the round of beats and sweeps failed; the next one follows")

    def _beat(self, turn: int) -> None:
        if streams := self._streams.with_turn(turn):
            heartbeat = Frame(block(Heartbeat(timestamp=datetime.now(UTC))))
            self._delivery.beat(streams, heartbeat)

    def _sweep(self, turn: int, now: float, monotonic_now: float) -> None:
        for stream in self._streams.expired(now):
            self._close_stream(stream, CloseReason.TOKEN_EXPIRED)
        # Their deadline bears a second more, so each is looked at once in that.
        stalled_before = monotonic_now - self._write_deadline_seconds
        for stream in self._streams.share(turn, TICKS_PER_SECOND):
            if (
                (outlet := stream.outlet) is not None
                and outlet.blocked_since is not None
                and outlet.blocked_since < stalled_before
            ):
                self._close_stream(stream, CloseReason.WRITE_STALLED)
