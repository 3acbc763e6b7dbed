"""Streams that are written by the WSGI server, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gevent
import gevent.event
import pytest

from notifications.events.encoding import Frame
from notifications.streams.delivery import Delivery
from notifications.streams.response_outlet import READY_EVENTS, ResponseOutlet
from notifications.streams.stream import CloseReason, Stream
from tests.support.streams import RecordingStreams, make_event, make_stream, pass_turn, wait_in_loop

NOTICE = Frame(b"event: heartbeat\ndata: {}\n\n")
NEWER_NOTICE = Frame(b'event: heartbeat\ndata: {"newer":true}\n\n')
CLOSING = Frame(b"event: closing\ndata: {}\n\n")


class Response:
    """The greenlet of a WSGI server that iterates over the response.

    ``hold`` keeps it in its write, as a client that stops reading does.
    """

    def __init__(self, outlet: ResponseOutlet) -> None:
        self.chunks: list[bytes] = []
        self.may_write = gevent.event.Event()
        self.may_write.set()
        self.greenlet = gevent.spawn(self._run, outlet)

    def _run(self, outlet: ResponseOutlet) -> None:
        for chunk in outlet.chunks():
            self.chunks.append(chunk)
            self.may_write.wait(timeout=10)

    def hold(self) -> None:
        self.may_write.clear()

    def go_on(self) -> None:
        self.may_write.set()


@pytest.fixture
def stream() -> Stream:
    return make_stream()


@pytest.fixture
def outlet(stream: Stream) -> ResponseOutlet:
    outlet = ResponseOutlet(stream)
    stream.outlet = outlet
    return outlet


@pytest.fixture
def response(outlet: ResponseOutlet) -> Iterator[Response]:
    response = Response(outlet)
    pass_turn()
    yield response
    response.go_on()
    outlet.close(None, abort=True)
    response.greenlet.join(timeout=5)
    assert response.greenlet.dead


def test_mailbox_is_written_as_one_chunk(
    stream: Stream, outlet: ResponseOutlet, response: Response
) -> None:
    events = [make_event(offset) for offset in (1, 2, 3)]
    for event in events:
        stream.offer(event, 256)
    outlet.flush()
    wait_in_loop(lambda: response.chunks)
    assert response.chunks == [b"".join(event.block for event in events)]


def test_events_from_before_the_response_began_are_written(
    stream: Stream, outlet: ResponseOutlet
) -> None:
    event = make_event(1)
    stream.offer(event, 256)
    assert next(outlet.chunks()) == event.block


def test_heartbeat_follows_the_waiting_events(
    stream: Stream, outlet: ResponseOutlet, response: Response
) -> None:
    event = make_event(1)
    stream.offer(event, 256)
    outlet.send(NOTICE)
    outlet.flush()
    wait_in_loop(lambda: response.chunks)
    assert b"".join(response.chunks) == event.block + NOTICE.block


def test_heartbeats_to_a_client_that_does_not_read_do_not_pile_up(
    outlet: ResponseOutlet, response: Response
) -> None:
    response.hold()
    outlet.send(NOTICE)
    wait_in_loop(lambda: response.chunks)
    for _ in range(10):
        outlet.send(NOTICE)
    outlet.send(NEWER_NOTICE)
    response.go_on()
    wait_in_loop(lambda: len(response.chunks) == 2)
    assert response.chunks == [NOTICE.block, NEWER_NOTICE.block]


def test_closing_writes_waiting_events_and_the_closing_event_and_ends_the_response(
    stream: Stream, outlet: ResponseOutlet, response: Response
) -> None:
    event = make_event(1)
    stream.offer(event, 256)
    outlet.close(CLOSING, abort=False)
    response.greenlet.join(timeout=5)
    assert response.greenlet.successful()
    assert b"".join(response.chunks) == event.block + CLOSING.block


def test_closing_without_a_closing_event_ends_the_response(
    outlet: ResponseOutlet, response: Response
) -> None:
    outlet.close(None, abort=False)
    response.greenlet.join(timeout=5)
    assert response.greenlet.successful()
    assert response.chunks == []


def test_aborting_drops_the_waiting_events(
    stream: Stream, outlet: ResponseOutlet, response: Response
) -> None:
    response.hold()
    outlet.send(NOTICE)
    wait_in_loop(lambda: response.chunks)
    stream.offer(make_event(1), 256)
    outlet.flush()
    outlet.close(None, abort=True)
    response.go_on()
    response.greenlet.join(timeout=5)
    assert response.chunks == [NOTICE.block]
    assert stream.depth == 0


def test_outlet_tells_since_when_a_write_is_blocked(
    stream: Stream, outlet: ResponseOutlet, response: Response
) -> None:
    blocked_since = outlet.blocked_since
    assert blocked_since is None
    response.hold()
    before = time.monotonic()
    outlet.send(NOTICE)
    wait_in_loop(lambda: response.chunks)
    blocked_since = outlet.blocked_since
    assert blocked_since is not None
    assert before <= blocked_since <= time.monotonic()

    response.go_on()
    wait_in_loop(lambda: outlet.blocked_since is None)


# -- bursts -----------------------------------------------------------------------


@pytest.fixture
def streams(stream: Stream) -> RecordingStreams:
    streams = RecordingStreams()
    streams.add(stream)
    return streams


@pytest.fixture
def delivery(streams: RecordingStreams) -> Delivery:
    return Delivery(streams, max_pending_events=256)


def test_burst_within_one_turn_does_not_close_a_reader_that_reads(
    stream: Stream, response: Response, delivery: Delivery, streams: RecordingStreams
) -> None:
    events = [make_event(offset) for offset in range(1, 1001)]
    for event in events:
        delivery.deliver(stream.channel, event)
    expected = b"".join(event.block for event in events)
    wait_in_loop(lambda: streams.closed or b"".join(response.chunks) == expected)
    assert streams.closed == []
    assert stream.events_sent == 1000


def test_burst_above_the_limit_closes_even_a_reader_that_reads(
    stream: Stream, response: Response, delivery: Delivery, streams: RecordingStreams
) -> None:
    for offset in range(READY_EVENTS * 2):
        delivery.deliver(stream.channel, make_event(offset))
    assert streams.closed == [(stream, CloseReason.MAILBOX_FULL)]


def test_reader_that_does_not_read_is_closed_once_its_mailbox_is_full(
    stream: Stream,
    outlet: ResponseOutlet,
    response: Response,
    delivery: Delivery,
    streams: RecordingStreams,
) -> None:
    response.hold()
    outlet.send(NOTICE)
    wait_in_loop(lambda: response.chunks)
    for offset in range(256):
        delivery.deliver(stream.channel, make_event(offset))
        pass_turn() if offset % 64 == 0 else None
    assert streams.closed == []
    delivery.deliver(stream.channel, make_event(256))
    assert streams.closed == [(stream, CloseReason.MAILBOX_FULL)]
