"""The memory broker keeps a bounded amount of data, whatever is asked of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from notifications.brokers.base import KEY_SECONDS
from notifications.brokers.memory import broker as memory
from notifications.brokers.memory import seen_keys
from notifications.brokers.memory.broker import MemoryBroker
from notifications.brokers.memory.seen_keys import SeenKeys
from notifications.events.encoding import body
from notifications.events.heartbeat import Heartbeat
from notifications.refresh.batch_store import LEASE_SECONDS
from waiter_service.outbox.standstill import PAUSES_SECONDS, VOID_SECONDS

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


def test_keys_are_remembered_for_their_time_however_many_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seen_keys, "MAX_KEYS", 10)
    keys = SeenKeys(keep_seconds=3600.0)
    for number in range(100):
        assert keys.add("main:waiter:anna", f"key-{number}", 0.0)
    assert not keys.add("main:waiter:anna", "key-0", KEY_SECONDS - 1)


def test_keys_beyond_the_limit_are_forgotten_after_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seen_keys, "MAX_KEYS", 10)
    keys = SeenKeys(keep_seconds=3600.0)
    for number in range(100):
        keys.add("main:waiter:anna", f"key-{number}", 0.0)
    keys.add("main:waiter:anna", "late", KEY_SECONDS)
    assert len(keys.to_dict()) == 10
    assert not keys.add("main:waiter:anna", "key-99", KEY_SECONDS)


def test_a_key_is_remembered_longer_than_any_claim_and_any_pause() -> None:
    assert 2 * max(VOID_SECONDS, LEASE_SECONDS, *PAUSES_SECONDS) <= KEY_SECONDS
