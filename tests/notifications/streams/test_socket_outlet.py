"""Streams that the event loop writes directly to their socket."""

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
CLOSING = Frame(b"event: closing\ndata: {}\n\n")
LAST_CHUNK = b"0\r\n\r\n"


class Line:
    """A TCP connection with an outlet at one end and the client at the other."""

    def __init__(self, streams: RecordingStreams | None = None, *, is_chunked: bool = True) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.client = socket.socket()
            # The buffer is small, so that a client that stops reading is noticed soon.
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
        # The WSGI server closes its copy once the stream is handed over.
        self.server.close()
        self._offset = 0

    @property
    def ends(self) -> list[CloseReason]:
        return [reason for stream, reason in self.streams.closed if stream is self.stream]

    def put(self, number: int = 1) -> bytes:
        """Put events into the mailbox; return the chunks that should be written."""
        events = []
        for _ in range(number):
            self._offset += 1
            events.append(make_event(self._offset))
            assert self.stream.offer(events[-1], 1_000_000)
        return b"".join(event.chunk for event in events)

    def stall(self) -> bytes:
        """Write until the client's buffer is full; return what was written so far."""
        written = b""
        while self.outlet.blocked_since is None:
            written += self.put(20)
            self.outlet.flush()
        return written

    def receive(self, size: int) -> bytes:
        """Read this many bytes as the client while the event loop runs."""
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
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only the names are needed


def test_mailbox_is_written_as_chunks_in_order(line: Line) -> None:
    expected = line.put(3)
    line.outlet.flush()
    assert line.receive(len(expected)) == expected
    assert line.stream.events_sent == 3


def test_stream_without_chunks_is_written_as_bare_blocks() -> None:
    line = Line(is_chunked=False)
    line.put(2)
    line.outlet.flush()
    line.outlet.close(CLOSING, abort=False)
    expected = make_event(1).block + make_event(2).block + CLOSING.block
    assert line.receive_all() == expected, "the end of the connection must end the response"
    line.client.close()


def test_unwritten_bytes_follow_when_the_client_reads(line: Line) -> None:
    expected = line.stall()
    # Events that arrive while the outlet is blocked wait in the mailbox, not in the outlet.
    expected += line.put(50)
    line.outlet.flush()
    assert line.stream.depth >= 50
    assert line.receive(len(expected)) == expected
    wait_in_loop(lambda: line.outlet.blocked_since is None)
    assert line.stream.depth == 0


def test_outlet_tells_since_when_it_stalls_and_a_slow_reader_does_not_count(line: Line) -> None:
    before = time.monotonic()
    line.stall()
    first = line.outlet.blocked_since
    assert first is not None
    assert before <= first <= time.monotonic()

    # The deadline starts again as soon as the client reads and the kernel takes a byte.
    line.put(500)
    wait_in_loop(lambda: line.receive(1024) and line.outlet.blocked_since != first)
    later = line.outlet.blocked_since
    assert later is None or later > first


def test_heartbeat_is_left_out_while_other_data_waits(line: Line) -> None:
    expected = line.stall()
    line.outlet.send(NOTICE)
    assert line.receive(len(expected)) == expected
    wait_in_loop(lambda: line.outlet.blocked_since is None)
    line.outlet.send(NOTICE)
    assert line.receive(len(NOTICE.chunk)) == NOTICE.chunk


def test_closing_writes_waiting_events_and_the_closing_event_before_the_end(line: Line) -> None:
    expected = line.put(2)
    line.outlet.close(CLOSING, abort=False)
    assert line.receive_all() == expected + CLOSING.chunk + LAST_CHUNK


def test_closing_without_a_closing_event_still_ends_the_response(line: Line) -> None:
    line.outlet.close(None, abort=False)
    assert line.receive_all() == LAST_CHUNK


def test_second_close_has_no_effect(line: Line) -> None:
    line.outlet.close(CLOSING, abort=False)
    line.outlet.close(CLOSING, abort=False)
    line.outlet.close(None, abort=True)
    assert line.receive_all() == CLOSING.chunk + LAST_CHUNK


def test_closing_a_stalled_client_writes_no_closing_event_into_a_cut_chunk(line: Line) -> None:
    written = line.stall()
    line.outlet.close(CLOSING, abort=False)
    received = line.receive_all()
    assert written.startswith(received)
    assert CLOSING.block not in received


def test_aborting_a_stalled_client_resets_the_connection(line: Line) -> None:
    line.stall()
    line.outlet.close(CLOSING, abort=True)
    with pytest.raises(ConnectionResetError):
        line.receive_all()


def test_closed_outlet_writes_nothing_more(line: Line) -> None:
    line.outlet.close(None, abort=False)
    line.put(1)
    line.outlet.flush()
    line.outlet.send(NOTICE)
    assert line.receive_all() == LAST_CHUNK


def test_closing_releases_the_descriptor() -> None:
    pass_turn()  # the event loop opens its own descriptors when it first runs
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
    pass_turn()  # the event loop opens its own descriptors when it first runs
    before = open_descriptors()
    lines = [Line() for _ in range(20)]
    for number, line in enumerate(lines):
        if number % 2:
            line.stall()
        line.vanish()
    wait_in_loop(lambda: all(line.ends for line in lines))
    assert open_descriptors() == before


def test_bytes_from_the_client_are_discarded(line: Line) -> None:
    line.client.sendall(b"GET /sse/waiter/ben HTTP/1.1\r\n" * 1000)
    expected = line.put(1)
    line.outlet.flush()
    assert line.receive(len(expected)) == expected
    assert line.ends == []


def test_stalled_reader_does_not_delay_the_others() -> None:
    """Of 50 readers one does not read. Only its stream is closed, and the others do not wait."""
    streams = RecordingStreams()
    lines = [Line(streams) for _ in range(50)]
    stalled, *reading = lines
    delivery = Delivery(streams, max_pending_events=256)
    expected = b""
    for offset in range(1, 1001):
        event = make_event(offset)
        delivery.deliver("main:waiter:anna", event)
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


def test_prepared_socket_bounds_the_buffer_and_the_time_of_a_write(sock: socket.socket) -> None:
    prepare_socket(sock, write_timeout_seconds=10)
    assert sock.gettimeout() == 10
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 64 * 1024
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_prepared_unix_socket_bounds_the_time_of_a_write() -> None:
    one, other = socket.socketpair()
    with one, other:
        prepare_socket(one, write_timeout_seconds=3)
        assert one.gettimeout() == 3
