"""The memory broker keeps a bounded amount of data, whatever is asked of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from notifications.brokers.memory import broker as memory
from notifications.brokers.memory.broker import MemoryBroker
from notifications.events.encoding import body
from notifications.events.heartbeat import Heartbeat

BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))


def test_idle_channels_beyond_the_limit_are_forgotten_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "MAX_IDLE_CHANNELS", 3)
    moments = iter(range(100))
    broker = MemoryBroker(clock=lambda: next(moments))
    for number in range(6):
        broker.tip(f"main:session:{number}")
    broker.subscribe("main:session:0")
    broker.publish(["main:session:1"], BODY, key="k")

    broker.sweep()

    known = [number for number in range(6) if broker.known_tip(f"main:session:{number}")]
    assert known == [0, 1, 3, 4, 5], (
        "the followed one, the one with a history, and the three newest"
    )


def test_reading_an_unknown_channel_keeps_nothing() -> None:
    broker = MemoryBroker()
    place = broker.tip("main:session:1")
    assert broker.read("main:session:2", place, 10).is_gap
    assert broker.known_tip("main:session:2") is None
