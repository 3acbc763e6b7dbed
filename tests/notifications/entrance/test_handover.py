"""The blueprint takes a connection over from gunicorn."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import gevent.socket
import pytest

from notifications.brokers.memory.broker import MemoryBroker
from notifications.entrance.blueprint import HandedOver, HandoverResponse, handover_of
from notifications.streams.body import Handover
from notifications.streams.service import SseService
from notifications.streams.stream import CloseReason
from tests.support.streams import ANNA


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with socket.socket() as sock:
        yield sock


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/1.0"])
def test_plain_http_1_connection_of_gunicorn_can_be_handed_over(
    sock: socket.socket, protocol: str
) -> None:
    environ = {"gunicorn.socket": sock, "SERVER_PROTOCOL": protocol}
    handover = handover_of(environ)
    assert handover is not None
    assert handover.sock is sock
    assert handover.is_chunked is (protocol == "HTTP/1.1")


@pytest.mark.parametrize(
    "changes", [{"SERVER_PROTOCOL": "HTTP/2"}, {"SERVER_PROTOCOL": None}, {"gunicorn.socket": None}]
)
def test_other_connections_are_not_handed_over(
    sock: socket.socket, changes: dict[str, Any]
) -> None:
    environ = {"gunicorn.socket": sock, "SERVER_PROTOCOL": "HTTP/1.1"} | changes
    assert handover_of(environ) is None


def test_tls_connection_is_not_handed_over() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with socket.socket() as plain, context.wrap_socket(plain, server_hostname="localhost") as sock:
        environ = {"gunicorn.socket": sock, "SERVER_PROTOCOL": "HTTP/1.1"}
        assert handover_of(environ) is None


def test_handover_looks_to_gunicorn_like_a_disconnected_client() -> None:
    assert HandedOver().errno == errno.EPIPE
    assert isinstance(HandedOver(), OSError)


class Exchange:
    """A response with anna's stream, over a connection that the stream may take over."""

    def __init__(self) -> None:
        self.sse = SseService(MemoryBroker())
        self.sse.start()
        one, other = socket.socketpair()
        self.server = gevent.socket.socket(fileno=one.detach())
        self.client = gevent.socket.socket(fileno=other.detach())
        handover = Handover(self.server, is_chunked=True)
        self.body = self.sse.open("waiter", "anna", ANNA, handover=handover)
        self.response = HandoverResponse(self.body, self.server)

    def close(self) -> None:
        self.sse.stop()
        self.server.close()
        self.client.close()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    exchange = Exchange()
    yield exchange
    exchange.close()


def test_gunicorn_writes_nothing_more_after_the_handover(
    exchange: Exchange,
) -> None:
    blocks = iter(exchange.response)
    assert b"event: connection\n" in next(blocks)
    with pytest.raises(HandedOver):
        next(blocks)
    exchange.response.close()
    assert exchange.sse.counts()["waiter"] == 1


def test_gunicorn_writes_nothing_more_to_a_lost_client(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: object, opening: object) -> Iterator[bytes]:
        raise TimeoutError("the client does not read")

    monkeypatch.setattr(type(exchange.body), "_replay", fail)
    blocks = iter(exchange.response)
    next(blocks)
    with pytest.raises(HandedOver):
        next(blocks)
    exchange.response.close()
    assert exchange.sse.stats.closed == {"write_stalled": 1}


def test_gunicorn_ends_the_response_of_a_stream_that_closes_before_it_is_live(
    exchange: Exchange,
) -> None:
    blocks = iter(exchange.response)
    next(blocks)
    exchange.sse.streams.close_where(lambda stream: True, CloseReason.TOKEN_REVOKED)
    assert list(blocks) == []
    exchange.response.close()
    assert b"event: closing\n" in exchange.client.recv(65_536)


def test_response_that_is_closed_before_it_began_leaves_no_stream(exchange: Exchange) -> None:
    exchange.response.close()
    assert exchange.sse.counts()["waiter"] == 0
