"""Which streams are open."""

from __future__ import annotations

import pytest

from notifications.streams.registry import StreamRegistry
from tests.support.streams import make_stream


def test_stream_is_found_on_its_channel_and_no_other() -> None:
    registry = StreamRegistry(turns=4)
    anna, anna_too, ben = (make_stream(f"waiter:{name}") for name in ("anna", "anna", "ben"))
    for stream in (anna, anna_too, ben):
        registry.add(stream)
    assert registry.on_channel("waiter:anna") == [anna, anna_too]
    assert registry.on_channel("waiter:ben") == [ben]
    assert registry.on_channel("session:anna") == []
    assert sorted(registry.channels()) == ["waiter:anna", "waiter:ben"]


def test_streams_are_counted_by_kind() -> None:
    registry = StreamRegistry(turns=4)
    streams = [make_stream("session:table-7"), make_stream("session:table-7"), make_stream()]
    for stream in streams:
        registry.add(stream)
    assert registry.counts == {"session": 2, "waiter": 1}
    assert len(registry) == 3
    for stream in streams:
        registry.remove(stream)
    assert registry.counts == {"session": 0, "waiter": 0}
    assert len(registry) == 0


def test_last_of_a_channel_is_told_apart_and_leaves_nothing_behind() -> None:
    registry = StreamRegistry(turns=4)
    first, last = make_stream(), make_stream()
    registry.add(first)
    registry.add(last)
    assert not registry.remove(first)
    assert registry.remove(last)
    assert registry.channels() == []
    assert list(registry) == []


def test_closing_streams_while_iterating_skips_none() -> None:
    registry = StreamRegistry(turns=4)
    for _ in range(50):
        registry.add(make_stream())
    seen = 0
    for stream in registry:
        registry.remove(stream)
        seen += 1
    assert seen == 50
    assert len(registry) == 0


def test_each_stream_has_its_turn_once_a_round() -> None:
    registry = StreamRegistry(turns=7)
    streams = {make_stream() for _ in range(300)}
    for stream in streams:
        registry.add(stream)
    rounds = [registry.with_turn(turn) for turn in range(7)]
    assert sorted(map(id, (stream for group in rounds for stream in group))) == sorted(
        map(id, streams)
    )
    assert registry.with_turn(7) == rounds[0]


def test_turns_are_spread_so_that_heartbeats_do_not_come_in_one_burst() -> None:
    registry = StreamRegistry(turns=10)
    streams = [make_stream() for _ in range(1000)]
    for stream in streams:
        registry.add(stream)
    assert max(len(registry.with_turn(turn)) for turn in range(10)) < 300


def test_expired_streams_are_found_to_the_moment_and_no_others() -> None:
    registry = StreamRegistry(turns=4)
    ends = [100.0, 119.5, 120.0, 120.5, 3600.0]
    streams = [make_stream(expires_at=end) for end in ends]
    for stream in streams:
        registry.add(stream)
    assert registry.expired(99.9) == []
    assert set(registry.expired(120.0)) == set(streams[:3])
    registry.remove(streams[0])
    assert set(registry.expired(120.0)) == set(streams[1:3])
    for stream in registry.expired(1e9):
        registry.remove(stream)
    assert registry.expired(1e9) == []
    assert not registry._by_last_minute, "what is gone takes no memory"


def test_looking_for_expired_streams_looks_at_none_that_has_long_to_live() -> None:
    class Watched(float):
        looks = 0

        def __le__(self, other: float) -> bool:
            Watched.looks += 1
            return float(self) <= other

    registry = StreamRegistry(turns=4)
    for end in range(1_000):
        registry.add(make_stream(expires_at=Watched(6_000 + end)))
    assert registry.expired(5_000) == []
    assert Watched.looks == 0


@pytest.mark.parametrize("turns", [1, 3, 120])
def test_each_stream_is_in_one_share(turns: int) -> None:
    registry = StreamRegistry(turns=turns)
    streams = {make_stream() for _ in range(300)}
    for stream in streams:
        registry.add(stream)
    shares = [stream for turn in range(5, 9) for stream in registry.share(turn, 4)]
    assert len(shares) == 300
    assert set(shares) == streams
