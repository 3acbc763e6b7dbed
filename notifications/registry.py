"""Which streams are open: by channel, for delivery, and by turn, for heartbeats."""

from __future__ import annotations

from collections.abc import Iterator

from notifications.stream import Stream


def channel_name(kind: str, channel_id: str) -> str:
    """Return the channel of a ``session`` or a ``waiter``."""
    return f"{kind}:{channel_id}"


def channel_kind(channel: str) -> str:
    """Return ``session`` or ``waiter``."""
    return channel.partition(":")[0]


class StreamRegistry:
    """The open streams of one process.

    Streams are spread over ``turns`` groups, so that heartbeats to many of
    them come a few at a time instead of in one burst.
    """

    def __init__(self, turns: int) -> None:
        self._by_channel: dict[str, list[Stream]] = {}
        self._by_turn: list[set[Stream]] = [set() for _ in range(max(1, turns))]
        self._counts = {"session": 0, "waiter": 0}

    def __iter__(self) -> Iterator[Stream]:
        """Iterate over a copy: closing a stream changes the original."""
        return iter([stream for group in self._by_turn for stream in group])

    def __len__(self) -> int:
        return self._counts["session"] + self._counts["waiter"]

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

    def add(self, stream: Stream) -> None:
        """Add ``stream``."""
        self._by_channel.setdefault(stream.channel, []).append(stream)
        self._group(stream).add(stream)
        self._counts[channel_kind(stream.channel)] += 1

    def remove(self, stream: Stream) -> bool:
        """Remove ``stream``; return whether it was the last of its channel."""
        self._group(stream).remove(stream)
        self._counts[channel_kind(stream.channel)] -= 1
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
