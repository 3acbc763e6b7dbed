"""Which streams are open, and how they are closed."""

from __future__ import annotations

import pytest

from notifications.brokers.memory.broker import MemoryBroker
from notifications.errors import ServerFull
from notifications.streams.admission import Admission, StreamLimits
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stream import CloseReason
from tests.support.streams import RecordingOutlet, RecordingStreams, make_stream

GONE = CloseReason.CLIENT_GONE


def test_stream_is_found_on_its_channel_and_no_other() -> None:
    open_streams = RecordingStreams(groups=4)
    anna, anna_too, ben = (make_stream(f"main:waiter:{name}") for name in ("anna", "anna", "ben"))
    for stream in (anna, anna_too, ben):
        open_streams.add(stream)
    assert open_streams.on_channel("main:waiter:anna") == [anna, anna_too]
    assert open_streams.on_channel("main:waiter:ben") == [ben]
    assert open_streams.on_channel("main:session:anna") == []


def test_streams_are_counted_by_kind() -> None:
    open_streams = RecordingStreams(groups=4)
    streams = [
        make_stream("main:session:table-7"),
        make_stream("main:session:table-7"),
        make_stream(),
    ]
    for stream in streams:
        open_streams.add(stream)
    assert open_streams.counts == {"session": 2, "waiter": 1, "floor": 0, "kitchen": 0}
    assert len(open_streams) == 3
    for stream in streams:
        open_streams.close(stream, GONE)
    assert open_streams.counts == {"session": 0, "waiter": 0, "floor": 0, "kitchen": 0}
    assert len(open_streams) == 0


def test_channel_is_unsubscribed_when_its_last_stream_ends() -> None:
    events: list[str] = []

    class ListeningBroker(MemoryBroker):
        def unsubscribe(self, channel: str) -> None:
            events.append(channel)

    broker = ListeningBroker()
    open_streams = OpenStreams(broker)
    first, last = make_stream(), make_stream()
    open_streams.add(first)
    open_streams.add(last)
    open_streams.close(first, GONE)
    assert events == []
    open_streams.close(last, GONE)
    assert events == ["main:waiter:anna"]
    assert open_streams.on_channel("main:waiter:anna") == []
    assert list(open_streams) == []


def test_closed_stream_has_one_reason_and_sends_it_once() -> None:
    open_streams, stream = RecordingStreams(), make_stream()
    open_streams.add(stream)
    outlet = RecordingOutlet(stream)
    open_streams.close(stream, CloseReason.TOKEN_REVOKED)
    told = outlet.last
    open_streams.close(stream, CloseReason.DRAINING)
    open_streams.discard(stream)
    assert stream.close_reason is CloseReason.TOKEN_REVOKED
    assert outlet.last is told
    assert told is not None
    assert b'"code":"token_revoked"' in told.block


def test_stream_beyond_a_limit_is_not_held() -> None:
    open_streams = OpenStreams(MemoryBroker(), Admission(StreamLimits(max_streams=1)))
    open_streams.add(make_stream())
    with pytest.raises(ServerFull):
        open_streams.add(make_stream())
    assert len(open_streams) == 1


def test_closing_streams_while_iterating_skips_none() -> None:
    open_streams = RecordingStreams(groups=4)
    for _ in range(50):
        open_streams.add(make_stream())
    seen = 0
    for stream in open_streams:
        open_streams.close(stream, GONE)
        seen += 1
    assert seen == 50
    assert len(open_streams) == 0


def test_each_stream_is_in_one_group() -> None:
    open_streams = RecordingStreams(groups=7)
    streams = {make_stream() for _ in range(300)}
    for stream in streams:
        open_streams.add(stream)
    rounds = [open_streams.group(number) for number in range(7)]
    assert sorted(map(id, (stream for group in rounds for stream in group))) == sorted(
        map(id, streams)
    )
    assert open_streams.group(7) == rounds[0]


def test_streams_are_spread_over_groups_so_that_heartbeats_form_no_burst() -> None:
    open_streams = RecordingStreams(groups=10)
    streams = [make_stream() for _ in range(1000)]
    for stream in streams:
        open_streams.add(stream)
    assert max(len(open_streams.group(number)) for number in range(10)) < 300


def test_expired_streams_are_found_exactly_at_their_end() -> None:
    open_streams = RecordingStreams(groups=4)
    ends = [100.0, 119.5, 120.0, 120.5, 3600.0]
    streams = [make_stream(expires_at=end) for end in ends]
    for stream in streams:
        open_streams.add(stream)
    assert open_streams.expired(99.9) == []
    assert set(open_streams.expired(120.0)) == set(streams[:3])
    open_streams.close(streams[0], GONE)
    assert set(open_streams.expired(120.0)) == set(streams[1:3])
    for stream in open_streams.expired(1e9):
        open_streams.close(stream, GONE)
    assert open_streams.expired(1e9) == []
    assert not open_streams._by_last_minute, "closed streams use no memory"


def test_search_for_expired_streams_skips_streams_that_end_much_later() -> None:
    class Watched(float):
        looks = 0

        def __le__(self, other: float) -> bool:
            Watched.looks += 1
            return float(self) <= other

    open_streams = RecordingStreams(groups=4)
    for end in range(1_000):
        open_streams.add(make_stream(expires_at=Watched(6_000 + end)))
    assert open_streams.expired(5_000) == []
    assert Watched.looks == 0


@pytest.mark.parametrize("groups", [1, 3, 120])
def test_each_stream_is_in_one_share(groups: int) -> None:
    open_streams = RecordingStreams(groups=groups)
    streams = {make_stream() for _ in range(300)}
    for stream in streams:
        open_streams.add(stream)
    shares = [stream for number in range(5, 9) for stream in open_streams.share(number, 4)]
    assert len(shares) == 300
    assert set(shares) == streams
