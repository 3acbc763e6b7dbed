"""Which streams are open."""

from __future__ import annotations

from notifications.registry import StreamRegistry
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
