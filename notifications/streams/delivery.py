"""Puts events from the broker into mailboxes, and writes mailboxes out once per loop turn."""

from __future__ import annotations

import logging
from typing import Any

import gevent

from notifications.events.encoding import EventId, Frame, StoredEvent
from notifications.streams.body import resync_event
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stats import StreamStats
from notifications.streams.stream import CloseReason, Stream

log = logging.getLogger("notifications.streams")

#: Streams written to before the event loop runs other work: a few milliseconds of writes.
FLUSH_SLICE = 500


class Delivery:
    """The broker's sink. Fills mailboxes, and flushes all of them together in the next turn.

    However many events a turn brings, the events of each stream are written together.
    No method switches greenlets.
    """

    def __init__(
        self,
        streams: OpenStreams,
        *,
        max_pending_events: int,
        stats: StreamStats | None = None,
    ) -> None:
        self._streams = streams
        self._max_pending_events = max_pending_events
        self._stats = stats or StreamStats()
        # Streams with events in their mailbox that wait for a flush, each once.
        self._dirty: list[Stream] = []
        self._is_flush_scheduled = False

    def deliver(self, channel: str, event: StoredEvent) -> None:
        """Put ``event`` into the mailbox of every stream on ``channel``."""
        if streams := self._streams.on_channel(channel):
            self._stats.latency.expect(event)
            self._put(streams, event)

    def resync(self, channel: str, tip: EventId) -> None:
        """Tell every stream on ``channel`` to load everything again."""
        self._stats.histories_lost += 1
        for stream in list(self._streams.on_channel(channel)):
            self._stats.resyncs["history_lost"] += 1
            if stream.is_replaying:
                # It reads the history again, and finds the gap there.
                stream.has_overflowed = True
            else:
                self._put([stream], resync_event(tip))

    def beat(self, streams: list[Stream], heartbeat: Frame) -> None:
        """Send ``heartbeat`` to each stream that is live and has nothing waiting."""
        for stream in streams:
            if stream.outlet is not None and stream.pending is None:
                stream.outlet.send(heartbeat)

    def _put(self, streams: list[Stream], event: StoredEvent) -> None:
        max_pending = self._max_pending_events
        overflowing = []
        for stream in streams:
            if stream.pending is None:
                self._dirty.append(stream)
            if not stream.offer(event, max_pending):
                overflowing.append(stream)
        for stream in overflowing:
            self._overflow(stream, event)
        if self._dirty and not self._is_flush_scheduled:
            self._is_flush_scheduled = True
            _event_loop().run_callback(self._flush_slice)

    def _overflow(self, stream: Stream, event: StoredEvent) -> None:
        self._stats.overflows += 1
        if stream.is_replaying:
            # The replay keeps reading the history, which holds the event too.
            stream.has_overflowed = True
            return
        # A burst within one turn fills the mailbox of the fastest reader too.
        # The client is slow only if it takes nothing in this flush either.
        self._flush(stream)
        if stream.is_closed:
            return
        was_empty = stream.pending is None
        if not stream.offer(event, self._max_pending_events):
            self._streams.close(stream, CloseReason.MAILBOX_FULL)
        elif was_empty:
            self._dirty.append(stream)

    def _flush_slice(self) -> None:
        batch, self._dirty = self._dirty[:FLUSH_SLICE], self._dirty[FLUSH_SLICE:]
        for stream in batch:
            self._flush(stream)
        self._is_flush_scheduled = bool(self._dirty)
        if self._is_flush_scheduled:
            _event_loop().run_callback(self._flush_slice)
        else:
            self._stats.latency.written()

    def _flush(self, stream: Stream) -> None:
        if stream.outlet is not None and not stream.is_closed:
            try:
                stream.outlet.flush()
            except Exception:
                # A failure of one stream must not reach the other streams or the publisher.
                log.exception(
                    "stream could not be written",
                    extra={"fields": {"stream": stream.connection_id}},
                )
                self._streams.close(stream, CloseReason.FAILED)


def _event_loop() -> Any:
    return gevent.get_hub().loop
