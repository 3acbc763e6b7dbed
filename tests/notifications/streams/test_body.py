"""The response of one stream, from its greeting to its handover or its end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import gevent.socket
import pytest

from notifications.brokers.memory.broker import MemoryBroker
from notifications.events.encoding import Frame, StoredEvent
from notifications.streams.body import Handover, StreamBody
from notifications.streams.service import SseService, StreamOptions
from notifications.streams.stream import CloseReason
from tests.support.streams import ANNA, HEARTBEAT_BODY, wait_in_loop

CHANNEL = "main:waiter:anna"
LAST_CHUNK = b"0\r\n\r\n"


class Exchange:
    """A connection between a WSGI server and a client, and the service behind it."""

    def __init__(self, history: int = 0) -> None:
        self.broker = MemoryBroker(new_epoch=lambda: "e1")
        for number in range(history):
            self.broker.publish([CHANNEL], HEARTBEAT_BODY, key=str(number))
        self.sse = SseService(self.broker, StreamOptions())
        self.sse.start()
        one, other = socket.socketpair()
        self.server = gevent.socket.socket(fileno=one.detach())
        self.client = gevent.socket.socket(fileno=other.detach())
        self.client.settimeout(5)

    def open(self, last_event_id: str | None = None, *, is_chunked: bool = True) -> StreamBody:
        return self.sse.open(
            "waiter",
            "anna",
            ANNA,
            last_event_id=last_event_id,
            handover=Handover(self.server, is_chunked=is_chunked),
        )

    def serve(self, body: StreamBody) -> bool:
        """Act as a server does; return whether the stream was handed over."""
        for block in body:
            self.server.sendall(Frame(block).chunk)
        if not body.is_handed_over:
            self.server.sendall(LAST_CHUNK)
        body.close()
        self.server.close()
        return body.is_handed_over

    def receive_all(self) -> bytes:
        received = b""
        while data := self.client.recv(65_536):
            received += data
        return received

    @property
    def closed(self) -> dict[str, int]:
        return dict(self.sse.stats.closed)

    def close(self) -> None:
        self.sse.stop()
        self.server.close()
        self.client.close()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange(history=5)
    yield exchange
    exchange.close()


def event(offset: int) -> StoredEvent:
    return StoredEvent("e1", offset, HEARTBEAT_BODY)


def close_all(exchange: Exchange, reason: CloseReason) -> None:
    exchange.sse.streams.close_where(lambda stream: True, reason)


def test_stream_continues_after_the_server_closed_its_copy_of_the_connection(
    exchange: Exchange,
) -> None:
    assert exchange.serve(exchange.open())
    assert exchange.sse.counts()["waiter"] == 1

    exchange.broker.publish([CHANNEL], HEARTBEAT_BODY, key="live")
    close_all(exchange, CloseReason.DRAINING)
    received = exchange.receive_all()
    greeting, _, rest = received.partition(b"id: e1-5\n\n\r\n")
    assert b"event: connection\n" in greeting
    assert rest.startswith(event(6).chunk)
    assert b'"code":"draining"' in rest
    assert rest.endswith(b"\r\n" + LAST_CHUNK)


def test_replay_is_written_as_whole_chunks_before_live_events(exchange: Exchange) -> None:
    body = exchange.open("e1-2")
    assert exchange.serve(body)
    exchange.broker.publish([CHANNEL], HEARTBEAT_BODY, key="live")
    close_all(exchange, CloseReason.CLIENT_GONE)
    received = exchange.receive_all()
    replay = Frame(b"".join(event(offset).block for offset in (3, 4, 5))).chunk
    assert received.endswith(replay + event(6).chunk + LAST_CHUNK)


def test_replay_without_chunks_is_written_as_bare_blocks(exchange: Exchange) -> None:
    body = exchange.open("e1-2", is_chunked=False)
    assert len(list(body)) == 1, "the body yields the greeting only"
    body.close()
    exchange.server.close()
    close_all(exchange, CloseReason.CLIENT_GONE)
    assert exchange.receive_all() == b"".join(event(offset).block for offset in (3, 4, 5))


@pytest.mark.parametrize("last_event_id", [None, "e1-0", "nonsense"])
def test_stream_closed_before_it_is_live_gives_its_reason_and_a_complete_response(
    exchange: Exchange, last_event_id: str | None
) -> None:
    body = exchange.open(last_event_id)
    close_all(exchange, CloseReason.TOKEN_REVOKED)
    assert not exchange.serve(body)
    received = exchange.receive_all()
    assert b"event: connection\n" in received
    assert received.count(b"event: closing\n") == 1
    assert b'"code":"token_revoked"' in received
    assert received.endswith(LAST_CHUNK)
    assert exchange.closed == {"token_revoked": 1}


def test_stream_ends_when_its_client_vanishes_during_the_replay(exchange: Exchange) -> None:
    body = exchange.open("e1-0")
    exchange.client.close()
    next(body)
    with pytest.raises(BrokenPipeError):
        next(body)
    assert not body.is_handed_over
    body.close()
    assert exchange.closed == {"client_gone": 1}
    assert exchange.sse.counts() == {"session": 0, "waiter": 0, "floor": 0, "kitchen": 0}


def test_client_that_does_not_read_its_replay_is_closed_at_the_deadline() -> None:
    exchange = Exchange(history=1000)
    exchange.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    exchange.server.settimeout(0.2)
    body = exchange.open("e1-0")
    next(body)
    with pytest.raises(TimeoutError):
        next(body)
    assert not body.is_handed_over
    body.close()
    assert exchange.closed == {"write_stalled": 1}
    exchange.close()


def test_response_that_is_closed_before_it_began_leaves_no_stream(exchange: Exchange) -> None:
    exchange.open("e1-0").close()
    assert exchange.closed == {"client_gone": 1}
    assert exchange.sse.counts() == {"session": 0, "waiter": 0, "floor": 0, "kitchen": 0}


def test_handed_over_stream_ends_when_its_client_hangs_up(exchange: Exchange) -> None:
    assert exchange.serve(exchange.open())
    exchange.client.close()
    wait_in_loop(lambda: exchange.closed)
    assert exchange.closed == {"client_gone": 1}
