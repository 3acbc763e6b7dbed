"""The feed alone: its sink gets every event once and in order, in whatever order they arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from notifications.brokers.base import Page
from notifications.brokers.redis.feed import RedisFeed
from notifications.brokers.redis.history import Reading
from notifications.events.encoding import EventId, StoredEvent
from tests.support.ear import Ear

ANNA = "main:waiter:anna"
BODY = b"event: x\ndata: {}\n"
KEPT_EVENTS = 8


class World:
    """A history and a wire. While an answer travels, further happenings take place."""

    def __init__(self, happenings: list[int], kept_events: int = KEPT_EVENTS) -> None:
        self._kept_events = kept_events
        self._happenings = deque(happenings)
        self._depth = 0
        self.epochs = 1
        self.newest = 0
        self.wire: deque[tuple[str, int]] = deque()
        self.losses = 0
        self.ear = Ear()
        history: Any = self
        self.feed = RedisFeed(history)
        self.feed.sink = self.ear
        self.feed.follow(ANNA).move_to(self.tip)
        self.feed.confirm([ANNA])

    @property
    def tip(self) -> EventId:
        return EventId(f"e{self.epochs}", self.newest)

    def _look(self, after: EventId, limit: int) -> Reading:
        oldest = max(1, self.newest - self._kept_events + 1)
        if after.epoch != self.tip.epoch or not oldest - 1 <= after.offset <= self.newest:
            return Reading(Page(is_gap=True), self.tip)
        offsets = range(after.offset + 1, min(self.newest, after.offset + limit) + 1)
        events = [StoredEvent(self.tip.epoch, offset, BODY) for offset in offsets]
        return Reading(Page(events), self.tip)

    # Play the part of the history that the feed reads.
    def read(self, places: Iterable[tuple[str, EventId]], limit: int) -> list[Reading]:
        readings = [self._look(after, 3) for _, after in places]
        self.go_on(2)
        return readings

    def go_on(self, number: int) -> None:
        """Let ``number`` things happen, with a limit on how deep they nest."""
        if self._depth > 3:
            return
        self._depth += 1
        for _ in range(number):
            if self._happenings:
                self._happen(self._happenings.popleft())
        self._depth -= 1

    def _happen(self, what: int) -> None:
        match what:
            case 0 | 1 | 2 | 3:
                self.newest += 1
                self.wire.append((self.tip.epoch, self.newest))
            case 4 | 5 | 6:
                self._hear()
            case 7:
                # The connection breaks and is restored.
                self.wire.clear()
                self.feed.lose()
                self.feed.catch_up(self.feed.interrupted())
                self.feed.confirm([ANNA])
            case 8:
                reading = Reading(Page(), self.tip)
                self.go_on(1)
                self.feed.observe(ANNA, reading)
                self._expect_delivered(reading.tip)
            case 9:
                reading = self._look(EventId(self.tip.epoch, max(0, self.newest - 4)), 3)
                self.go_on(1)
                self.feed.observe(ANNA, reading)
                self._expect_delivered(reading.tip)
            case 10:
                self.feed.catch_up(self.feed.behind({ANNA: self.tip}))
            case 11:
                # The event is lost on its way.
                if self.wire:
                    self.wire.popleft()
            case 12:
                self.epochs += 1
                self.losses += 1
                self.newest = 0

    def _hear(self) -> None:
        if self.wire:
            epoch, offset = self.wire.popleft()
            self.feed.hear(ANNA, epoch, offset, BODY)
            self._expect_delivered(EventId(epoch, offset))

    def _expect_delivered(self, event_id: EventId) -> None:
        followed = self.feed.get(ANNA)
        assert followed is not None
        assert event_id.epoch != self.tip.epoch or not followed.is_behind(event_id)

    def end(self) -> None:
        """Let everything happen that is still to come."""
        while self._happenings:
            self.go_on(1)
        while self.wire:
            self._hear()
        self.feed.catch_up([ANNA])


@given(st.lists(st.integers(0, 11), max_size=120))
def test_sink_gets_every_event_once_and_in_order(happenings: list[int]) -> None:
    world = World(happenings)
    world.end()
    assert world.ear.broken_promises == []
    followed = world.feed.get(ANNA)
    assert followed is not None
    assert followed.place == world.tip
    told = len(world.ear.events[ANNA])
    assert told <= world.newest
    # The sink may miss events only when the history no longer holds them, and then it gets a
    # resync.
    assert told == world.newest or world.ear.resyncs


@given(st.lists(st.integers(0, 12), max_size=120))
def test_lost_history_causes_one_resync(happenings: list[int]) -> None:
    world = World(happenings, kept_events=1_000_000)
    world.end()
    assert world.ear.broken_promises == []
    followed = world.feed.get(ANNA)
    assert followed is not None
    assert followed.place == world.tip
    epochs = [tip.epoch for _, tip in world.ear.resyncs]
    assert len(epochs) == len(set(epochs)) <= world.losses
    if world.losses:
        assert epochs[-1] == world.tip.epoch


def test_sink_gets_nothing_of_a_channel_that_is_not_followed() -> None:
    world = World([])
    world.feed.forget(ANNA)
    world.feed.hear(ANNA, "e1", 1, BODY)
    world.feed.observe(ANNA, Reading(Page(), EventId("e1", 5)))
    world.feed.catch_up([ANNA])
    assert world.ear.events == {}


def test_sink_gets_nothing_of_a_channel_that_is_forgotten_during_catch_up() -> None:
    world = World([])
    world.newest = 2
    world.go_on = lambda number: world.feed.forget(ANNA)  # type: ignore[method-assign]
    world.feed.catch_up([ANNA])
    assert world.ear.events == {}


def test_every_channel_gets_its_turn() -> None:
    world = World([])
    for number in range(9):
        world.feed.follow(f"main:session:{number}")
    seen = {channel for _ in range(5) for channel in world.feed.next_turn(2)}
    assert len(seen) == 10
