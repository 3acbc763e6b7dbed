"""Events go from the broker into mailboxes, and are written once per turn of the loop."""

from __future__ import annotations

import logging
from itertools import count

import gevent
import pytest

from notifications.events.encoding import EventId, Frame
from notifications.streams.delivery import FLUSH_SLICE, Delivery
from notifications.streams.stream import CloseReason
from tests.support.streams import (
    RecordingOutlet,
    RecordingStreams,
    make_event,
    make_stream,
    pass_turn,
    wait_in_loop,
)


class Bench:
    """A delivery with its streams, and a record of those it closed."""

    def __init__(self, max_pending_events: int = 256) -> None:
        self.streams = RecordingStreams()
        self.closed = self.streams.closed
        self.delivery = Delivery(self.streams, max_pending_events=max_pending_events)
        self._offsets = count(1)

    def open(self, channel: str = "main:waiter:anna") -> RecordingOutlet:
        stream = make_stream(channel)
        self.streams.add(stream)
        return RecordingOutlet(stream)

    def burst(self, number: int, channel: str = "main:waiter:anna") -> None:
        """Deliver ``number`` events within one turn of the loop."""
        for _ in range(number):
            self.delivery.deliver(channel, make_event(next(self._offsets)))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_event_reaches_every_stream_of_its_channel_and_no_other(bench: Bench) -> None:
    first, second, other = bench.open(), bench.open(), bench.open("main:waiter:ben")
    bench.burst(1)
    pass_turn()
    assert (first.offsets, second.offsets, other.offsets) == ([1], [1], [])


def test_events_of_one_turn_are_written_together(bench: Bench) -> None:
    outlet = bench.open()
    bench.burst(200)
    assert outlet.writes == []
    pass_turn()
    assert [len(write) for write in outlet.writes] == [200]
    assert outlet.offsets == list(range(1, 201))


def test_burst_within_one_turn_does_not_close_a_reader_that_reads(bench: Bench) -> None:
    outlet = bench.open()
    bench.burst(1000)
    pass_turn()
    assert bench.closed == []
    assert outlet.offsets == list(range(1, 1001))


def test_stalled_reader_is_closed_while_the_others_still_receive(bench: Bench) -> None:
    quick, slow, also_quick = bench.open(), bench.open(), bench.open()
    slow.is_stalled = True
    for _ in range(6):
        bench.burst(50)
        pass_turn()

    [(closed, reason)] = bench.closed
    assert closed.outlet is slow
    assert reason is CloseReason.MAILBOX_FULL
    assert quick.offsets == also_quick.offsets == list(range(1, 301))
    assert slow.offsets == []


def test_slow_reader_is_not_closed_while_its_mailbox_has_room(bench: Bench) -> None:
    outlet = bench.open()
    outlet.is_stalled = True
    bench.burst(256)
    pass_turn()
    assert bench.closed == []
    outlet.is_stalled = False
    bench.burst(1)
    pass_turn()
    assert bench.closed == []
    assert outlet.offsets == list(range(1, 258))


def test_overtaken_replay_is_marked_to_read_again_and_not_closed(bench: Bench) -> None:
    stream = make_stream(is_live=False)
    bench.streams.add(stream)
    bench.burst(1000)
    pass_turn()
    assert bench.closed == []
    assert stream.has_overflowed
    assert stream.depth == 256


def test_lost_history_resyncs_live_streams_and_restarts_replays(bench: Bench) -> None:
    live, other = bench.open(), bench.open("main:waiter:ben")
    replaying = make_stream(is_live=False)
    bench.streams.add(replaying)
    bench.delivery.resync("main:waiter:anna", EventId("next", 7))
    pass_turn()
    assert (live.offsets, other.offsets) == ([7], [])
    assert replaying.has_overflowed
    assert replaying.depth == 0


def test_failing_outlet_closes_its_own_stream_only(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(RecordingOutlet):
        def flush(self) -> None:
            raise RuntimeError("a bug in this outlet")

    healthy_before = bench.open()
    broken = make_stream()
    bench.streams.add(broken)
    Broken(broken)
    healthy_after = bench.open()
    with caplog.at_level(logging.ERROR):
        bench.burst(3)
        pass_turn()

    assert bench.closed == [(broken, CloseReason.FAILED)]
    (record,) = caplog.records
    assert vars(record)["fields"] == {"stream": broken.connection_id}
    assert healthy_before.offsets == healthy_after.offsets == [1, 2, 3]


def test_outlet_that_fails_in_a_burst_closes_its_own_stream_only(bench: Bench) -> None:
    class Broken(RecordingOutlet):
        def flush(self) -> None:
            raise RuntimeError("a bug in this outlet")

    broken = make_stream()
    bench.streams.add(broken)
    Broken(broken)
    healthy = bench.open()
    bench.burst(300)
    pass_turn()
    assert [stream for stream, _ in bench.closed] == [broken]
    assert healthy.offsets == list(range(1, 301))


def test_other_greenlets_run_during_a_delivery_to_thousands_of_streams(bench: Bench) -> None:
    outlets = [bench.open() for _ in range(FLUSH_SLICE * 3)]
    seen_by_another: list[int] = []

    def another() -> None:
        while not seen_by_another or seen_by_another[-1] < len(outlets):
            seen_by_another.append(sum(bool(outlet.writes) for outlet in outlets))
            gevent.idle()

    bench.burst(1)
    gevent.spawn(another).join(timeout=5)
    assert seen_by_another[-1] == len(outlets)
    assert any(0 < seen < len(outlets) for seen in seen_by_another)


def test_heartbeat_goes_to_quiet_live_streams_only(bench: Bench) -> None:
    quiet, waiting = bench.open(), bench.open()
    replaying = make_stream(is_live=False)
    bench.streams.add(replaying)
    streams = bench.streams.on_channel("main:waiter:anna")
    waiting.is_stalled = True
    bench.burst(1)
    pass_turn()

    heartbeat = Frame(b"event: heartbeat\ndata: {}\n\n")
    bench.delivery.beat(streams, heartbeat)
    assert quiet.frames == [heartbeat]
    assert waiting.frames == []


def test_client_that_vanishes_in_a_burst_ends_its_stream_once(bench: Bench) -> None:
    class Vanished(RecordingOutlet):
        def flush(self) -> None:
            if not gone.is_closed:
                bench.streams.close(gone, CloseReason.CLIENT_GONE)

    gone = make_stream()
    bench.streams.add(gone)
    Vanished(gone)
    stays = bench.open()
    bench.burst(300)
    pass_turn()
    assert bench.closed == [(gone, CloseReason.CLIENT_GONE)]
    assert stays.offsets == list(range(1, 301))


def test_stream_closed_between_delivery_and_flush_is_skipped(bench: Bench) -> None:
    gone, stays = bench.open(), bench.open()
    bench.burst(1)
    stream = bench.streams.on_channel("main:waiter:anna")[0]
    bench.streams.close(stream, CloseReason.CLIENT_GONE)
    stream.outlet = None
    wait_in_loop(lambda: stays.offsets == [1])
    assert gone.offsets == []
