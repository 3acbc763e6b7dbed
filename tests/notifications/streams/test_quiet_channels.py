"""A place on a quiet channel stays known for as long as a history is kept."""

from __future__ import annotations

import pytest

from notifications.brokers.base import HistoryLimits
from notifications.brokers.memory.broker import MemoryBroker
from notifications.events.encoding import EventId
from tests.support.streams import HEARTBEAT_BODY

CHANNEL = "main:session:table-7"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def broker(clock: Clock) -> MemoryBroker:
    return MemoryBroker(HistoryLimits(max_age_seconds=3600), clock=clock)


def visit(broker: MemoryBroker) -> EventId:
    """Follow the channel for a moment; return the place of the client at that moment."""
    broker.subscribe(CHANNEL)
    place = broker.tip(CHANNEL)
    broker.unsubscribe(CHANNEL)
    return place


def pass_seconds(broker: MemoryBroker, clock: Clock, seconds: float) -> None:
    clock.now += seconds
    broker.sweep()


def test_client_that_has_received_nothing_can_resume(broker: MemoryBroker, clock: Clock) -> None:
    place = visit(broker)
    pass_seconds(broker, clock, 3500)
    broker.publish([CHANNEL], HEARTBEAT_BODY, key="1")
    page = broker.read(CHANNEL, place, 10)
    assert not page.is_gap
    assert [event.offset for event in page.events] == [1]


def test_client_that_has_received_everything_can_resume_after_the_history_is_trimmed(
    broker: MemoryBroker, clock: Clock
) -> None:
    broker.publish([CHANNEL], HEARTBEAT_BODY, key="1")
    pass_seconds(broker, clock, 3000)
    place = visit(broker)
    pass_seconds(broker, clock, 3000)
    assert not broker.read(CHANNEL, place, 10).is_gap


def test_channel_that_is_unused_for_long_is_forgotten(broker: MemoryBroker, clock: Clock) -> None:
    place = visit(broker)
    pass_seconds(broker, clock, 3600 * 1.5 + 1)
    assert broker.read(CHANNEL, place, 10).is_gap
    assert broker.tip(CHANNEL).epoch != place.epoch


def test_channel_that_is_followed_is_never_forgotten(broker: MemoryBroker, clock: Clock) -> None:
    broker.subscribe(CHANNEL)
    place = broker.tip(CHANNEL)
    for _ in range(100):
        pass_seconds(broker, clock, 3600)
    assert not broker.read(CHANNEL, place, 10).is_gap
