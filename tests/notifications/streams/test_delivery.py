"""From the broker into mailboxes, and out of them once a turn."""

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


class Wing:
    """A delivery with its streams, and a note of what it closed."""

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
        """Deliver so many events within one turn of the loop."""
        for _ in range(number):
            self.delivery.deliver(channel, make_event(next(self._offsets)))


@pytest.fixture
def wing() -> Wing:
    return Wing()


def test_event_reaches_every_stream_of_its_channel_and_no_other(wing: Wing) -> None:
    first, second, other = wing.open(), wing.open(), wing.open("main:waiter:ben")
    wing.burst(1)
    pass_turn()
    assert (first.offsets, second.offsets, other.offsets) == ([1], [1], [])


def test_events_of_one_turn_are_one_write(wing: Wing) -> None:
    outlet = wing.open()
    wing.burst(200)
    assert outlet.writes == []
    pass_turn()
    assert [len(write) for write in outlet.writes] == [200]
    assert outlet.offsets == list(range(1, 201))


def test_burst_within_one_turn_does_not_close_a_reader_that_reads(wing: Wing) -> None:
    outlet = wing.open()
    wing.burst(1000)
    pass_turn()
    assert wing.closed == []
    assert outlet.offsets == list(range(1, 1001))


def test_reader_that_takes_nothing_is_closed_while_the_others_still_receive(wing: Wing) -> None:
    quick, slow, also_quick = wing.open(), wing.open(), wing.open()
    slow.is_stalled = True
    for _ in range(6):
        wing.burst(50)
        pass_turn()

    [(closed, reason)] = wing.closed
    assert closed.outlet is slow
    assert reason is CloseReason.MAILBOX_FULL
    assert quick.offsets == also_quick.offsets == list(range(1, 301))
    assert slow.offsets == []


def test_slow_reader_is_not_closed_as_long_as_the_mailbox_holds(wing: Wing) -> None:
    outlet = wing.open()
    outlet.is_stalled = True
    wing.burst(256)
    pass_turn()
    assert wing.closed == []
    outlet.is_stalled = False
    wing.burst(1)
    pass_turn()
    assert wing.closed == []
    assert outlet.offsets == list(range(1, 258))


def test_replay_that_is_overtaken_reads_again_and_is_not_closed(wing: Wing) -> None:
    stream = make_stream(is_live=False)
    wing.streams.add(stream)
    wing.burst(1000)
    pass_turn()
    assert wing.closed == []
    assert stream.has_overflowed
    assert stream.depth == 256


def test_lost_history_is_told_to_the_live_and_read_again_by_those_that_replay(wing: Wing) -> None:
    live, other = wing.open(), wing.open("main:waiter:ben")
    replaying = make_stream(is_live=False)
    wing.streams.add(replaying)
    wing.delivery.resync("main:waiter:anna", EventId("next", 7))
    pass_turn()
    assert (live.offsets, other.offsets) == ([7], [])
    assert replaying.has_overflowed
    assert replaying.depth == 0


def test_outlet_that_fails_costs_its_own_stream_alone(
    wing: Wing, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(RecordingOutlet):
        def flush(self) -> None:
            raise RuntimeError("a bug in this outlet")

    healthy_before = wing.open()
    broken = make_stream()
    wing.streams.add(broken)
    Broken(broken)
    healthy_after = wing.open()
    with caplog.at_level(logging.ERROR):
        wing.burst(3)
        pass_turn()

    assert wing.closed == [(broken, CloseReason.FAILED)]
    (record,) = caplog.records
    assert vars(record)["fields"] == {"stream": broken.connection_id}
    assert healthy_before.offsets == healthy_after.offsets == [1, 2, 3]


def test_outlet_that_fails_in_a_burst_costs_its_own_stream_alone(wing: Wing) -> None:
    class Broken(RecordingOutlet):
        def flush(self) -> None:
            raise RuntimeError("a bug in this outlet")

    broken = make_stream()
    wing.streams.add(broken)
    Broken(broken)
    healthy = wing.open()
    wing.burst(300)
    pass_turn()
    assert [stream for stream, _ in wing.closed] == [broken]
    assert healthy.offsets == list(range(1, 301))


def test_thousands_of_streams_leave_turns_to_others(wing: Wing) -> None:
    outlets = [wing.open() for _ in range(FLUSH_SLICE * 3)]
    seen_by_another: list[int] = []

    def another() -> None:
        while not seen_by_another or seen_by_another[-1] < len(outlets):
            seen_by_another.append(sum(bool(outlet.writes) for outlet in outlets))
            gevent.idle()

    wing.burst(1)
    gevent.spawn(another).join(timeout=5)
    assert seen_by_another[-1] == len(outlets)
    assert any(0 < seen < len(outlets) for seen in seen_by_another)


def test_heartbeat_goes_to_quiet_live_streams_alone(wing: Wing) -> None:
    quiet, waiting = wing.open(), wing.open()
    replaying = make_stream(is_live=False)
    wing.streams.add(replaying)
    streams = wing.streams.on_channel("main:waiter:anna")
    waiting.is_stalled = True
    wing.burst(1)
    pass_turn()

    heartbeat = Frame(b"event: heartbeat\ndata: {}\n\n")
    wing.delivery.beat(streams, heartbeat)
    assert quiet.frames == [heartbeat]
    assert waiting.frames == []


def test_client_that_vanishes_in_a_burst_ends_its_own_stream_once(wing: Wing) -> None:
    class Vanished(RecordingOutlet):
        def flush(self) -> None:
            if not gone.is_closed:
                wing.streams.close(gone, CloseReason.CLIENT_GONE)

    gone = make_stream()
    wing.streams.add(gone)
    Vanished(gone)
    stays = wing.open()
    wing.burst(300)
    pass_turn()
    assert wing.closed == [(gone, CloseReason.CLIENT_GONE)]
    assert stays.offsets == list(range(1, 301))


def test_stream_closed_between_delivery_and_flush_is_passed_over(wing: Wing) -> None:
    gone, stays = wing.open(), wing.open()
    wing.burst(1)
    stream = wing.streams.on_channel("main:waiter:anna")[0]
    wing.streams.close(stream, CloseReason.CLIENT_GONE)
    stream.outlet = None
    wait_in_loop(lambda: stays.offsets == [1])
    assert gone.offsets == []
