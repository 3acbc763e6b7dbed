"""Streams that are written straight to their socket by the event loop."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from notifications.events.encoding import Frame
from notifications.streams.delivery import Delivery
from notifications.streams.socket_outlet import (
    SocketOutlet,
    prepare_socket,
)
from notifications.streams.stream import CloseReason, Stream
from tests.support.streams import RecordingStreams, make_event, make_stream, pass_turn, wait_in_loop

NOTICE = Frame(b"event: heartbeat\ndata: {}\n\n")
FAREWELL = Frame(b"event: closing\ndata: {}\n\n")
LAST_CHUNK = b"0\r\n\r\n"


class Line:
    """A TCP connection with an outlet at one end; the client holds the other."""

    def __init__(self, streams: RecordingStreams | None = None, *, is_chunked: bool = True) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.socket()
            # Small, so that a client that stops reading is soon noticed.
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.client.connect(listener.getsockname())
            self.server, _ = listener.accept()
        self.server.setblocking(False)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.client.settimeout(5)
        self.stream: Stream = make_stream()
        self.streams = RecordingStreams() if streams is None else streams
        self.streams.add(self.stream)
        self.outlet = SocketOutlet(self.stream, self.server, self.streams, is_chunked=is_chunked)
        self.stream.outlet = self.outlet
        # As the WSGI server does once the stream is handed over.
        self.server.close()
        self._offset = 0

    @property
    def ends(self) -> list[CloseReason]:
        return [reason for stream, reason in self.streams.closed if stream is self.stream]

    def put(self, number: int = 1) -> bytes:
        """Put events into the mailbox; return the chunks they should become."""
        events = []
        for _ in range(number):
            self._offset += 1
            events.append(make_event(self._offset))
            assert self.stream.offer(events[-1], 1_000_000)
        return b"".join(event.chunk for event in events)

    def stall(self) -> bytes:
        """Write until the client's end takes no more; return what was written so far."""
        written = b""
        while self.outlet.blocked_since is None:
            written += self.put(20)
            self.outlet.flush()
        return written

    def receive(self, size: int) -> bytes:
        """Read so many bytes as the client; the event loop runs meanwhile."""
        self.client.setblocking(False)
        received = b""

        def enough() -> bool:
            nonlocal received
            with contextlib.suppress(BlockingIOError):
                received += self.client.recv(size - len(received))
            return len(received) >= size

        wait_in_loop(enough)
        return received

    def receive_all(self) -> bytes:
        """Read to the end of the connection."""
        self.client.settimeout(5)
        received = b""
        while data := self.client.recv(65_536):
            received += data
        return received

    def vanish(self) -> None:
        """Reset the connection, as a phone that is switched off does."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    line.outlet.close(None, abort=True)
    line.client.close()


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough


def test_mailbox_is_written_as_chunks_in_order(line: Line) -> None:
    expected = line.put(3)
    line.outlet.flush()
    assert line.receive(len(expected)) == expected
    assert line.stream.events_sent == 3


def test_without_chunks_bare_blocks_are_written() -> None:
    line = Line(is_chunked=False)
    line.put(2)
    line.outlet.flush()
    line.outlet.close(FAREWELL, abort=False)
    expected = make_event(1).block + make_event(2).block + FAREWELL.block
    assert line.receive_all() == expected, "the end of the connection is the end"
    line.client.close()


def test_what_the_kernel_does_not_take_follows_when_the_client_reads(line: Line) -> None:
    expected = line.stall()
    # More comes while it is blocked: it waits in the mailbox, not in memory of the outlet's.
    expected += line.put(50)
    line.outlet.flush()
    assert line.stream.depth >= 50
    assert line.receive(len(expected)) == expected
    wait_in_loop(lambda: line.outlet.blocked_since is None)
    assert line.stream.depth == 0


def test_stalled_outlet_tells_since_when_and_slow_is_not_stalled(line: Line) -> None:
    before = time.monotonic()
    line.stall()
    first = line.outlet.blocked_since
    assert first is not None
    assert before <= first <= time.monotonic()

    # A little is read: the deadline starts anew as soon as the kernel takes a byte.
    line.put(500)
    wait_in_loop(lambda: line.receive(1024) and line.outlet.blocked_since != first)
    later = line.outlet.blocked_since
    assert later is None or later > first


def test_heartbeat_is_left_out_where_others_wait(line: Line) -> None:
    expected = line.stall()
    line.outlet.send(NOTICE)
    assert line.receive(len(expected)) == expected
    wait_in_loop(lambda: line.outlet.blocked_since is None)
    line.outlet.send(NOTICE)
    assert line.receive(len(NOTICE.chunk)) == NOTICE.chunk


def test_closing_writes_what_waits_and_the_farewell_and_ends_the_response(line: Line) -> None:
    expected = line.put(2)
    line.outlet.close(FAREWELL, abort=False)
    assert line.receive_all() == expected + FAREWELL.chunk + LAST_CHUNK


def test_closing_without_farewell_still_ends_the_response(line: Line) -> None:
    line.outlet.close(None, abort=False)
    assert line.receive_all() == LAST_CHUNK


def test_closing_twice_is_closing_once(line: Line) -> None:
    line.outlet.close(FAREWELL, abort=False)
    line.outlet.close(FAREWELL, abort=False)
    line.outlet.close(None, abort=True)
    assert line.receive_all() == FAREWELL.chunk + LAST_CHUNK


def test_closing_a_stalled_client_cuts_no_chunk_short_with_a_farewell(line: Line) -> None:
    written = line.stall()
    line.outlet.close(FAREWELL, abort=False)
    received = line.receive_all()
    assert written.startswith(received)
    assert FAREWELL.block not in received


def test_aborting_a_stalled_client_resets_the_connection(line: Line) -> None:
    line.stall()
    line.outlet.close(FAREWELL, abort=True)
    with pytest.raises(ConnectionResetError):
        line.receive_all()


def test_closed_outlet_takes_nothing_any_more(line: Line) -> None:
    line.outlet.close(None, abort=False)
    line.put(1)
    line.outlet.flush()
    line.outlet.send(NOTICE)
    assert line.receive_all() == LAST_CHUNK


def test_closing_lets_go_of_the_descriptor() -> None:
    pass_turn()  # the loop opens its own when it first runs
    before = open_descriptors()
    for abort in (False, True):
        line = Line()
        line.stall()
        line.outlet.close(None, abort=abort)
        line.client.close()
    assert open_descriptors() == before


def test_client_that_hangs_up_is_noticed_without_writing(line: Line) -> None:
    line.client.close()
    wait_in_loop(lambda: line.ends)
    assert line.ends == [CloseReason.CLIENT_GONE]


def test_client_that_vanishes_is_noticed_without_writing(line: Line) -> None:
    line.vanish()
    wait_in_loop(lambda: line.ends)
    assert line.ends == [CloseReason.CLIENT_GONE]


def test_client_that_vanishes_while_stalled_is_noticed_once(line: Line) -> None:
    line.stall()
    line.vanish()
    wait_in_loop(lambda: line.ends)
    pass_turn()
    assert line.ends == [CloseReason.CLIENT_GONE]


def test_client_found_gone_by_a_write_ends_the_stream_once(line: Line) -> None:
    line.vanish()
    for _ in range(3):
        line.put(1)
        line.outlet.flush()
    wait_in_loop(lambda: line.ends)
    assert line.ends == [CloseReason.CLIENT_GONE]


def test_client_that_vanished_leaves_no_descriptor() -> None:
    pass_turn()  # the loop opens its own when it first runs
    before = open_descriptors()
    lines = [Line() for _ in range(20)]
    for number, line in enumerate(lines):
        if number % 2:
            line.stall()
        line.vanish()
    wait_in_loop(lambda: all(line.ends for line in lines))
    assert open_descriptors() == before


def test_what_a_client_sends_is_thrown_away(line: Line) -> None:
    line.client.sendall(b"GET /sse/waiter/ben HTTP/1.1\r\n" * 1000)
    expected = line.put(1)
    line.outlet.flush()
    assert line.receive(len(expected)) == expected
    assert line.ends == []


def test_stalled_reader_costs_the_others_nothing() -> None:
    """49 read, one does not: it alone is closed, and nobody waits for it."""
    streams = RecordingStreams()
    lines = [Line(streams) for _ in range(50)]
    stalled, *reading = lines
    delivery = Delivery(streams, max_pending_events=256)
    expected = b""
    for offset in range(1, 1001):
        event = make_event(offset)
        delivery.deliver("waiter:anna", event)
        expected += event.chunk
        if offset % 20 == 0:
            share = len(expected)
            for line in reading:
                assert line.receive(share) == expected
            expected = b""
    assert [stream for stream, _ in streams.closed] == [stalled.stream]
    for line in lines:
        line.outlet.close(None, abort=True)
        line.client.close()


# -- preparing a connection -------------------------------------------------------


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


def test_prepared_socket_bounds_what_a_client_can_hold_up(sock: socket.socket) -> None:
    prepare_socket(sock, write_timeout_seconds=10)
    assert sock.gettimeout() == 10
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 64 * 1024
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_prepared_unix_socket_bounds_the_time() -> None:
    one, other = socket.socketpair()
    with one, other:
        prepare_socket(one, write_timeout_seconds=3)
        assert one.gettimeout() == 3
