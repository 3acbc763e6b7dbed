"""Which streams are open: by channel, for delivery, by turn, for heartbeats, by their end."""

from __future__ import annotations

from collections.abc import Iterator

from notifications.channels import KINDS, channel_kind
from notifications.streams.stream import Stream


class StreamRegistry:
    """The open streams of one process.

    Streams are spread over ``turns`` groups, so that heartbeats to many of
    them come a few at a time instead of in one burst.
    """

    def __init__(self, turns: int) -> None:
        self._by_channel: dict[str, list[Stream]] = {}
        # By the minute their tokens expire in: to look at each of ten thousand
        # streams four times a second took 2 % of a core, and everybody else waited.
        self._by_last_minute: dict[int, set[Stream]] = {}
        self._by_turn: list[set[Stream]] = [set() for _ in range(max(1, turns))]
        self._counts = dict.fromkeys(KINDS, 0)

    def __iter__(self) -> Iterator[Stream]:
        """Iterate over a copy: closing a stream changes the original."""
        return iter([stream for group in self._by_turn for stream in group])

    def __len__(self) -> int:
        return sum(self._counts.values())

    @property
    def counts(self) -> dict[str, int]:
        """Open streams by kind: ``{"session": n, "waiter": n}``."""
        return dict(self._counts)

    def channels(self) -> list[str]:
        """Return the channels that somebody follows."""
        return list(self._by_channel)

    def on_channel(self, channel: str) -> list[Stream]:
        """Return the streams of ``channel``: the list itself, so copy it to change it."""
        return self._by_channel.get(channel, [])

    def with_turn(self, turn: int) -> list[Stream]:
        """Return the streams whose ``turn`` it is; turns repeat for ever."""
        return list(self._by_turn[turn % len(self._by_turn)])

    def share(self, turn: int, of: int) -> list[Stream]:
        """Return the streams of one of ``of`` shares; each stream is in one of them."""
        return [stream for group in self._by_turn[turn % of :: of] for stream in group]

    def expired(self, now: float) -> list[Stream]:
        """Return the streams whose tokens have expired by ``now`` (``time.time``)."""
        due = [
            streams
            for minute, streams in self._by_last_minute.items()
            if minute <= _last_minute(now)
        ]
        return [stream for streams in due for stream in streams if stream.expires_at <= now]

    def add(self, stream: Stream) -> None:
        """Add ``stream``."""
        self._by_channel.setdefault(stream.channel, []).append(stream)
        self._by_last_minute.setdefault(_last_minute(stream.expires_at), set()).add(stream)
        self._group(stream).add(stream)
        self._counts[channel_kind(stream.channel)] += 1

    def remove(self, stream: Stream) -> bool:
        """Remove ``stream``; return whether it was the last of its channel."""
        self._group(stream).remove(stream)
        self._counts[channel_kind(stream.channel)] -= 1
        minute = _last_minute(stream.expires_at)
        self._by_last_minute[minute].remove(stream)
        if not self._by_last_minute[minute]:
            del self._by_last_minute[minute]
        streams = self._by_channel[stream.channel]
        streams.remove(stream)
        if streams:
            return False
        del self._by_channel[stream.channel]
        return True

    def _group(self, stream: Stream) -> set[Stream]:
        # Objects lie 16 bytes or more apart; without the shift only every
        # sixteenth group would be used.
        return self._by_turn[(id(stream) >> 4) % len(self._by_turn)]


def _last_minute(expires_at: float) -> int:
    return int(expires_at // 60)
