"""The open streams of this process, found by channel, group and expiry, and closed here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from notifications.brokers.base import Broker
from notifications.channels import KINDS, channel_kind, venue_of
from notifications.streams.admission import Admission
from notifications.streams.stats import StreamStats
from notifications.streams.stream import CloseReason, Stream
from notifications.streams.waiter_streams import WaiterStreams

log = logging.getLogger("notifications.streams")


class OpenStreams:
    """Holds the open streams of one process, and closes them.

    Streams are spread over ``groups``, so that each heartbeat goes to a few streams at a
    time instead of all in one burst. No method switches greenlets.
    """

    def __init__(
        self,
        broker: Broker,
        admission: Admission | None = None,
        stats: StreamStats | None = None,
        *,
        groups: int = 1,
    ) -> None:
        self._broker = broker
        self._admission = admission or Admission()
        self._stats = stats or StreamStats()
        self._by_channel: dict[str, list[Stream]] = {}
        # Streams by the minute in which their tokens expire. Checking each of ten thousand
        # streams four times a second took 2 % of a core and delayed everything else.
        self._by_last_minute: dict[int, set[Stream]] = {}
        self._groups: list[set[Stream]] = [set() for _ in range(max(1, groups))]
        self._counts = dict.fromkeys(KINDS, 0)
        self.waiter_streams = WaiterStreams()

    # -- finding streams --------------------------------------------------------

    def __iter__(self) -> Iterator[Stream]:
        """Iterate over a copy: closing a stream changes the original."""
        return iter([stream for group in self._groups for stream in group])

    def __len__(self) -> int:
        return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Open streams by kind: ``{"session": n, "waiter": n}``."""
        return dict(self._counts)

    def channels(self) -> list[str]:
        """Return the channels that are followed. Walks all of them."""
        return list(self._by_channel)

    def on_channel(self, channel: str) -> list[Stream]:
        """Return the streams of ``channel``: the list itself, so copy it before changing it."""
        return self._by_channel.get(channel, [])

    def group(self, number: int) -> list[Stream]:
        """Return the streams of one group. ``number`` counts on forever, and the groups repeat."""
        return list(self._groups[number % len(self._groups)])

    def share(self, number: int, of: int) -> list[Stream]:
        """Return the streams of one of ``of`` shares. Each stream is in exactly one share."""
        return [stream for group in self._groups[number % of :: of] for stream in group]

    def expired(self, now: float) -> list[Stream]:
        """Return the streams whose tokens have expired by ``now`` (``time.time``)."""
        due = [
            streams
            for minute, streams in self._by_last_minute.items()
            if minute <= _last_minute(now)
        ]
        return [stream for streams in due for stream in streams if stream.expires_at <= now]

    # -- opening and closing ----------------------------------------------------

    def add(self, stream: Stream) -> None:
        """Count and hold ``stream``.

        Raises:
            StreamRefused: the stream must not open; it is not held.
        """
        self._admission.enter(stream.principal.key, venue_of(stream.channel))
        self._by_channel.setdefault(stream.channel, []).append(stream)
        self._by_last_minute.setdefault(_last_minute(stream.expires_at), set()).add(stream)
        self._group_of(stream).add(stream)
        self._counts[channel_kind(stream.channel)] += 1
        self.waiter_streams.opened(stream.channel)

    def limit_venues(self) -> None:
        """From now on, no venue may have all streams open: the deployment has several."""
        self._admission.limits_venues = True

    def discard(self, stream: Stream) -> None:
        """Forget a stream that could not be opened. Does nothing if it was closed first."""
        if not stream.is_closed:
            self._remove(stream)

    def close(self, stream: Stream, reason: CloseReason) -> None:
        """End ``stream`` and tell its client why, if the client can be told. Idempotent."""
        if stream.is_closed:
            return
        stream.close_reason = reason
        depth = stream.depth
        self._remove(stream)
        self._stats.closed[reason.code] += 1
        if stream.outlet is not None:
            stream.outlet.close(reason.closing_frame(), abort=reason.is_stuck)
        self._stats.events_sent += stream.events_sent
        fields = stream.log_fields(
            reason=reason.code,
            seconds=round(time.time() - stream.opened_at, 1),
            events=stream.events_sent,
            pending=depth,
        )
        level = logging.WARNING if reason.is_stuck else logging.INFO
        log.log(level, "stream closed: %s", reason.sentence, extra=fields)

    def close_where(self, condition: Callable[[Stream], bool], reason: CloseReason) -> None:
        """Close every stream for which ``condition`` holds."""
        for stream in self:
            if condition(stream):
                self.close(stream, reason)

    def _remove(self, stream: Stream) -> None:
        self._admission.leave(stream.principal.key, venue_of(stream.channel))
        self._group_of(stream).remove(stream)
        self._counts[channel_kind(stream.channel)] -= 1
        self.waiter_streams.closed(stream.channel)
        minute = _last_minute(stream.expires_at)
        self._by_last_minute[minute].remove(stream)
        if not self._by_last_minute[minute]:
            del self._by_last_minute[minute]
        streams = self._by_channel[stream.channel]
        streams.remove(stream)
        if not streams:
            del self._by_channel[stream.channel]
            self._broker.unsubscribe(stream.channel)

    def _group_of(self, stream: Stream) -> set[Stream]:
        # Objects are 16 bytes or more apart. Without the shift only every
        # sixteenth group would be used.
        return self._groups[(id(stream) >> 4) % len(self._groups)]


def _last_minute(expires_at: float) -> int:
    return int(expires_at // 60)
