"""Feeds the sink: each followed channel's events once, in order, without gap.

Events reach this process in three ways: live, in what a stream reads of the history, and
by catching up after the connection was lost. The three overlap, and none is complete. So
the feed remembers, for each channel, the place up to which the sink was told. The first
greenlet that learns of the event that comes next tells the sink. That needs no lock: the
sink never switches greenlets, so telling it and moving the place are one step.

The sink is told of what a stream reads before the stream gets it. So the stream finds it
in its mailbox too, knows it by its offset, and drops it there. Once the stream is live, it
gets nothing that it has read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from notifications.brokers.base import Sink
from notifications.brokers.redis.history import Reading, RedisHistory
from notifications.events.encoding import EventId, StoredEvent

log = logging.getLogger("notifications.redis")

#: Channels asked for in one round trip, and events asked of each. Few, since there are
#: usually none after a short interruption.
CHANNELS_PER_TRIP = 256
EVENTS_PER_READING = 64


class Followed:
    """A channel that the sink is told of, and the place up to which it was, once known."""

    __slots__ = ("epoch", "has_been_live", "is_live", "offset")

    def __init__(self) -> None:
        self.epoch = ""
        self.offset = 0
        #: Whether Redis has confirmed that we hear it, and nothing was missed.
        self.is_live = False
        self.has_been_live = False

    @property
    def place(self) -> EventId:
        """The last event the sink was told of, or need not be told of."""
        return EventId(self.epoch, self.offset)

    @property
    def has_place(self) -> bool:
        """Whether the place is known."""
        return bool(self.epoch)

    def move_to(self, place: EventId) -> None:
        """Go on after ``place``."""
        self.epoch, self.offset = place.epoch, place.offset

    def is_behind(self, tip: EventId) -> bool:
        """Return whether the sink may not know ``tip`` yet."""
        return self.epoch != tip.epoch or self.offset < tip.offset


class RedisFeed:
    """The channels this process follows, and its ``sink``, once there is one."""

    def __init__(self, history: RedisHistory) -> None:
        self.sink: Sink | None = None
        self._history = history
        self._followed: dict[str, Followed] = {}
        # Channels that are still to be looked at in this round.
        self._turns: list[str] = []

    # -- what we follow: nothing here switches greenlets --------------------------

    def follow(self, channel: str) -> Followed:
        """Return what is known of ``channel``, followed from now on."""
        followed = self._followed.get(channel)
        if followed is None:
            followed = self._followed[channel] = Followed()
        return followed

    def forget(self, channel: str) -> None:
        """Stop following ``channel``."""
        self._followed.pop(channel, None)

    def get(self, channel: str) -> Followed | None:
        """Return what is known of ``channel`` if it is followed."""
        return self._followed.get(channel)

    def __len__(self) -> int:
        return len(self._followed)

    def channels(self) -> list[str]:
        """Return the channels that are followed."""
        return list(self._followed)

    def confirm(self, channels: Iterable[str]) -> None:
        """Note that we hear ``channels`` from now on, and have missed nothing."""
        for channel in channels:
            if (followed := self._followed.get(channel)) is not None:
                followed.is_live = followed.has_been_live = True

    def lose(self) -> None:
        """Note that we no longer hear anything; call ``catch_up`` once we do again."""
        for followed in self._followed.values():
            followed.is_live = False

    def interrupted(self) -> list[str]:
        """Return the channels that were heard and no longer are."""
        return [
            channel
            for channel, followed in self._followed.items()
            if followed.has_been_live and not followed.is_live
        ]

    def next_turn(self, count: int) -> list[str]:
        """Return ``count`` channels to look at; every channel comes once in each round."""
        if not self._turns:
            self._turns = self.channels()
        turn, self._turns = self._turns[:count], self._turns[count:]
        return turn

    def behind(self, tips: Mapping[str, EventId]) -> list[str]:
        """Return the channels whose newest event the sink does not know."""
        return [
            channel
            for channel, tip in tips.items()
            if (followed := self._followed.get(channel))
            and followed.has_place
            and followed.is_behind(tip)
        ]

    # -- what the sink is told ----------------------------------------------------

    def hear(self, channel: str, epoch: str, offset: int, event_body: bytes) -> None:
        """Take an event that came live; catch up if others are missing before it.

        Switches greenlets only to catch up.

        Raises:
            BrokerUnavailable: what is missing cannot be read.
        """
        followed = self._followed.get(channel)
        if followed is None or not followed.has_place:
            return
        if followed.epoch == epoch and offset == followed.offset + 1:
            self._tell(channel, followed, StoredEvent(followed.epoch, offset, event_body))
        elif followed.is_behind(EventId(epoch, offset)):
            self.catch_up([channel])

    def observe(self, channel: str, reading: Reading) -> None:
        """Tell the sink what was read of ``channel``.

        Switches greenlets only if the reading does not hold all that the sink misses.

        Raises:
            BrokerUnavailable: what is missing cannot be read.
        """
        followed = self._followed.get(channel)
        if followed is None or not followed.has_place:
            return
        self._tell_all(channel, followed, reading.page.events)
        if followed.is_behind(reading.tip):
            self.catch_up([channel])

    def catch_up(self, channels: Iterable[str]) -> None:
        """Tell the sink all that the histories of ``channels`` hold beyond its places.

        If a history has a gap there, the sink is told to resync. Switches greenlets.

        Raises:
            BrokerUnavailable: the histories cannot be read now.
        """
        asked = [
            (channel, followed)
            for channel in channels
            if (followed := self._followed.get(channel)) is not None
        ]
        while asked:
            trip, asked = asked[:CHANNELS_PER_TRIP], asked[CHANNELS_PER_TRIP:]
            places = [(channel, followed.place) for channel, followed in trip]
            readings = self._history.read(places, EVENTS_PER_READING)
            for (channel, followed), (_, place), reading in zip(
                trip, places, readings, strict=True
            ):
                if not self._take(channel, followed, place, reading):
                    asked.append((channel, followed))

    def _take(self, channel: str, followed: Followed, place: EventId, reading: Reading) -> bool:
        """Tell the sink what was read after ``place``; return False if there is more."""
        if self._followed.get(channel) is not followed:
            return True
        if not reading.page.is_gap:
            self._tell_all(channel, followed, reading.page.events)
        elif followed.place == place:
            followed.move_to(reading.tip)
            if self.sink is not None:
                try:
                    self.sink.resync(channel, reading.tip)
                except Exception:
                    log.exception(
                        "streams could not be resynced", extra={"fields": {"channel": channel}}
                    )
        return not followed.is_behind(reading.tip)

    def _tell_all(self, channel: str, followed: Followed, events: Sequence[StoredEvent]) -> None:
        for event in events:
            if event.epoch == followed.epoch and event.offset == followed.offset + 1:
                self._tell(channel, followed, event)

    def _tell(self, channel: str, followed: Followed, event: StoredEvent) -> None:
        # The place first: an event that the sink fails on is not delivered again.
        followed.offset = event.offset
        if self.sink is not None:
            try:
                self.sink.deliver(channel, event)
            except Exception:
                log.exception(
                    "event could not be delivered",
                    extra={"fields": {"event": str(event.event_id), "channel": channel}},
                )
