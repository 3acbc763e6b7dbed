"""Periodic work on every stream: heartbeats, and closing streams that expired or stalled.

One greenlet does it for all of them. A timer per stream would cost every quiet stream
kilobytes and every connect microseconds.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime

from notifications.background import Background
from notifications.brokers.base import Broker
from notifications.events.encoding import Frame, block
from notifications.events.heartbeat import Heartbeat
from notifications.streams.delivery import Delivery
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stats import StreamStats
from notifications.streams.stream import CloseReason

log = logging.getLogger("notifications.streams")

TICKS_PER_SECOND = 4
#: Seconds between two rounds; an expired token ends its stream at most this late.
TICK_SECONDS = 1 / TICKS_PER_SECOND


class Upkeep:
    """Visits the streams of one process in rounds, and lets its broker drop old histories."""

    def __init__(
        self,
        streams: OpenStreams,
        delivery: Delivery,
        broker: Broker,
        stats: StreamStats,
        *,
        write_deadline_seconds: float,
    ) -> None:
        self._streams = streams
        self._delivery = delivery
        self._broker = broker
        self._stats = stats
        self._write_deadline_seconds = write_deadline_seconds
        self._histories_told = 0
        self._background = Background(self._run)

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._background.is_running

    def start(self) -> None:
        """Begin the rounds. Idempotent."""
        self._background.start()

    def stop(self) -> None:
        """End the rounds. Idempotent; switches greenlets."""
        self._background.stop()

    def _run(self) -> None:
        tick = 0
        while self._background.wait(TICK_SECONDS):
            tick += 1
            try:
                self._beat(tick)
                self._end_expired(time.time())
                self._end_stalled(tick, time.monotonic())
                if tick % TICKS_PER_SECOND == 0:
                    self._broker.sweep()
                    self._tell_lost_histories()
            except Exception:
                # Without upkeep a process would keep dead streams forever.
                log.exception("a round over the streams failed; the next round follows")

    def _beat(self, tick: int) -> None:
        if streams := self._streams.group(tick):
            heartbeat = Frame(block(Heartbeat(timestamp=datetime.now(UTC))))
            self._delivery.beat(streams, heartbeat)

    def _end_expired(self, now: float) -> None:
        for stream in self._streams.expired(now):
            self._streams.close(stream, CloseReason.TOKEN_EXPIRED)

    def _end_stalled(self, tick: int, monotonic_now: float) -> None:
        # One second of delay does no harm, so each tick looks at a share of the streams.
        stalled_before = monotonic_now - self._write_deadline_seconds
        for stream in self._streams.share(tick, TICKS_PER_SECOND):
            if (
                (outlet := stream.outlet) is not None
                and outlet.blocked_since is not None
                and outlet.blocked_since < stalled_before
            ):
                self._streams.close(stream, CloseReason.WRITE_STALLED)

    def _tell_lost_histories(self) -> None:
        if lost := self._stats.histories_lost - self._histories_told:
            # One line a second: a Redis that lost its data loses all histories.
            self._histories_told += lost
            log.warning(
                "histories were lost; their streams load everything again",
                extra={"fields": {"histories": lost}},
            )
