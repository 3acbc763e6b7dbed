"""The shortcut to a stream beneath gunicorn, and the requests that it leaves to gunicorn."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
import jwt
import pytest

from notifications.access.auth import Authenticator
from notifications.access.token_keys import TokenKeys
from notifications.brokers.memory.broker import MemoryBroker
from notifications.entrance.door import StreamDoor
from notifications.entrance.entrance import StreamEntrance
from notifications.streams.admission import StreamLimits
from notifications.streams.service import SseService, StreamOptions
from notifications.streams.stream import CloseReason
from tests.support.streams import HEARTBEAT_BODY, wait_in_loop

KEYS = TokenKeys("a secret that only the tests use")
END = b"0\r\n\r\n"


def token(subject: str = "anna", **claims: Any) -> str:
    payload = {"sub": subject, "role": "waiter", "exp": time.time() + 86_400, **claims}
    return jwt.encode(payload, KEYS.secret_key, algorithm="HS256")


def bearer(subject: str = "anna") -> str:
    return f"Authorization: Bearer {token(subject)}"


def request_of(
    *more: str,
    line: str = "GET /sse/waiter/anna HTTP/1.1",
    access: str | None = None,
    body: bytes = b"",
) -> bytes:
    """Return a plain request for anna's stream, or a variation of it."""
    lines = [line, "Host: localhost", bearer() if access is None else access, *more]
    return "\r\n".join([*filter(None, lines), "", ""]).encode() + body


class Doorstep:
    """A door, and one connection that has reached it."""

    def __init__(self, **options: Any) -> None:
        self.broker = MemoryBroker(new_epoch=lambda: "e1")
        self.sse = SseService(self.broker, StreamOptions(**options))
        self.sse.start()
        self.entrance = StreamEntrance(self.sse, Authenticator(KEYS))
        self.door = StreamDoor(self.entrance)
        ours, theirs = socket.socketpair()
        self.server = gevent.socket.socket(fileno=ours.detach())
        self.client = gevent.socket.socket(fileno=theirs.detach())
        self.client.settimeout(5)

    def is_answered(self, request: bytes, peer: str = "192.0.2.1") -> bool:
        self.request = request
        self.client.sendall(request)
        return self.door.answer(self.server, (peer, 4711))

    def receive_until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            received += self.client.recv(65_536)
        return received

    @property
    def open_streams(self) -> int:
        return sum(self.sse.counts().values())

    def is_untouched(self) -> bool:
        """Whether no stream is open, and nothing was read from or written to the connection."""
        self.client.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.client.recv(1)
        return self.open_streams == 0 and self.server.recv(65_536) == self.request

    def close(self) -> None:
        self.sse.stop()
        self.server.close()
        self.client.close()


@pytest.fixture
def build() -> Iterator[Callable[..., Doorstep]]:
    doorsteps: list[Doorstep] = []

    def make(**options: Any) -> Doorstep:
        doorsteps.append(Doorstep(**options))
        return doorsteps[-1]

    yield make
    for doorstep in doorsteps:
        doorstep.close()


@pytest.fixture
def doorstep(build: Callable[..., Doorstep]) -> Doorstep:
    return build()


def test_door_answers_a_plain_request_and_takes_over_its_connection(doorstep: Doorstep) -> None:
    assert doorstep.is_answered(request_of())

    head, _, rest = doorstep.receive_until(b"\n\n\r\n").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/event-stream; charset=utf-8" in lines
    assert "Transfer-Encoding: chunked" in lines
    assert rest.split(b"\r\n", 1)[1].startswith(b"retry: ")
    assert doorstep.server.fileno() < 0, "the stream owns the descriptor, and no copy is left"
    doorstep.broker.publish(["main:waiter:anna"], HEARTBEAT_BODY, key="1")
    assert b"id: e1-1" in doorstep.receive_until(b"\n\n\r\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        request_of("Last-Event-ID: e1-1"),
        request_of("last-event-id: e1-1"),
        request_of(line="GET /sse/waiter/anna?lastEventId=e1-1 HTTP/1.1"),
        request_of("Last-Event-ID: e1-1", line="GET /sse/waiter/anna?lastEventId=e1-3 HTTP/1.1"),
    ],
)
def test_stream_resumes_from_the_place_in_header_or_query(
    doorstep: Doorstep, request_bytes: bytes
) -> None:
    for number in range(3):
        doorstep.broker.publish(["main:waiter:anna"], HEARTBEAT_BODY, key=str(number))
    assert doorstep.is_answered(request_bytes)
    received = doorstep.receive_until(b"id: e1-3\n\n\r\n")
    assert b"id: e1-2" in received
    assert b"id: e1-1\n" not in received


def test_stream_token_is_accepted_in_the_query(doorstep: Doorstep) -> None:
    line = f"GET /sse/waiter/anna?token={token(scope='stream')} HTTP/1.1"
    assert doorstep.is_answered(request_of(line=line, access=""))


def test_password_for_a_proxy_does_not_hide_the_token(doorstep: Doorstep) -> None:
    line = f"GET /sse/waiter/anna?token={token(scope='stream')} HTTP/1.1"
    assert doorstep.is_answered(request_of(line=line, access="Authorization: Basic YTpi"))


def test_door_answers_a_connection_through_a_socket_file(doorstep: Doorstep) -> None:
    doorstep.client.sendall(request_of())
    assert doorstep.door.answer(doorstep.server, b"")
    assert doorstep.open_streams == 1


@pytest.mark.parametrize("first_bytes", [b"", b"GET /sse/"])
def test_door_waits_for_the_beginning_of_a_request(doorstep: Doorstep, first_bytes: bytes) -> None:
    """It waits only for the beginning: gunicorn puts the pieces of a request together."""
    doorstep.server.settimeout(5)
    doorstep.client.sendall(first_bytes)
    answer = gevent.spawn(doorstep.door.answer, doorstep.server, ("192.0.2.1", 4711))
    gevent.idle()
    doorstep.client.sendall(request_of()[len(first_bytes) :])
    assert answer.get(timeout=5) is (first_bytes == b"")


def test_silent_client_is_disconnected(doorstep: Doorstep) -> None:
    doorstep.server.settimeout(0.01)
    assert doorstep.door.answer(doorstep.server, ("192.0.2.1", 4711))
    assert doorstep.open_streams == 0


TOO_MANY = "&".join(f"p{number}=1" for number in range(11))
UNUSUAL: dict[str, bytes] = {
    "another method": request_of(line="HEAD /sse/waiter/anna HTTP/1.1"),
    "HTTP/1.0": request_of(line="GET /sse/waiter/anna HTTP/1.0"),
    "no HTTP": b"GET /sse/waiter/anna\r\n\r\n",
    "another path": request_of(line="GET /sse/health HTTP/1.1"),
    "the API": request_of(line="GET /api/sessions HTTP/1.1"),
    "a path to be decoded": request_of(line="GET /sse/waiter/%61nna HTTP/1.1"),
    "a longer path": request_of(line="GET /sse/waiter/anna/more HTTP/1.1"),
    "a whole URL": request_of(line="GET http://localhost/sse/waiter/anna HTTP/1.1"),
    "a fragment": request_of(line="GET /sse/waiter/anna?a=b#c HTTP/1.1"),
    "no token": request_of(access=""),
    "a token in a cookie": request_of(f"Cookie: sse_token={token(scope='stream')}", access=""),
    "a password and a token in a cookie": request_of(
        "Authorization: Basic c3RhZ2luZzpvcGVu",
        f"Cookie: sse_token={token(scope='stream')}",
        access="",
    ),
    "too many parameters": request_of(line=f"GET /sse/waiter/anna?{TOO_MANY} HTTP/1.1"),
    "a token that is empty": request_of(line="GET /sse/waiter/anna?token= HTTP/1.1", access=""),
    "bytes in the query": request_of(line="GET /sse/waiter/anna?a=\u00ff HTTP/1.1"),
    "more fields than gunicorn takes": request_of(*(f"X-{number}: x" for number in range(63))),
    "a name with an underscore": request_of("Script_Name: /sse"),
    "a path in front that is ours": request_of("X-Forwarded-Prefix: /sse"),
    "a header twice": request_of(bearer()),
    "a header twice, spelled otherwise": request_of(bearer().replace("Auth", "auth")),
    "a bad header": request_of("No colon"),
    "a head without end": request_of()[:-2],
    "a head that is long": request_of(f"X-Filler: {4000 * 'x'}"),
    "more than a head": request_of(body=b"more"),
    "a second request": request_of(body=request_of()),
    **{
        f"with {name}": request_of(f"{name}: x")
        for name in ("Origin", "content-length", "Transfer-Encoding", "UPGRADE", "Expect")
    },
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_request_is_left_to_gunicorn(doorstep: Doorstep, name: str) -> None:
    assert not doorstep.is_answered(UNUSUAL[name])
    assert doorstep.is_untouched()


REFUSED: dict[str, bytes] = {
    "forged token": request_of(access=f"{bearer()[:-3]}AAA"),
    "another's stream": request_of(line="GET /sse/waiter/ben HTTP/1.1"),
    "full token in the query": request_of(
        line=f"GET /sse/waiter/anna?token={token()} HTTP/1.1", access=""
    ),
    "no id": request_of(line="GET /sse/waiter/- HTTP/1.1", access=bearer("-")),
    "no text": request_of(access="Authorization: Bearer \u00ff\u0100"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_request_is_left_to_flask(doorstep: Doorstep, name: str) -> None:
    assert not doorstep.is_answered(REFUSED[name])
    assert doorstep.is_untouched()


def test_full_server_leaves_refusals_with_a_status_to_flask(build: Callable[..., Doorstep]) -> None:
    doorstep = build(limits=StreamLimits(max_streams=0))
    assert not doorstep.is_answered(request_of())
    assert doorstep.is_untouched()


def test_full_server_refuses_in_band_at_the_door(build: Callable[..., Doorstep]) -> None:
    doorstep = build(limits=StreamLimits(max_streams=0))
    assert doorstep.is_answered(request_of("Accept: text/event-stream"))
    head, _, rest = doorstep.receive_until(END).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\nevent: closing\n" in rest
    assert b'"code":"server_full"' in rest
    assert b'"reconnect":true,"reconnectInMs":' in rest
    assert doorstep.sse.stats.refused == {"server_full": 1}


@pytest.mark.parametrize(("peer", "is_refused_here"), [("192.0.2.1", False), ("192.0.2.2", True)])
def test_trusted_peer_that_asks_for_a_status_gets_it_from_flask(
    build: Callable[..., Doorstep], peer: str, is_refused_here: bool
) -> None:
    doorstep = build(limits=StreamLimits(max_streams=0))
    doorstep.entrance.trust(["192.0.2.1"])
    request = request_of("Accept: text/event-stream", "x-refusals: status")
    assert doorstep.is_answered(request, peer) is is_refused_here


def test_client_that_has_disconnected_leaves_no_stream(doorstep: Doorstep) -> None:
    doorstep.client.sendall(request_of())
    doorstep.client.close()
    assert doorstep.door.answer(doorstep.server, ("192.0.2.1", 4711))
    wait_in_loop(lambda: doorstep.open_streams == 0)
    assert doorstep.sse.stats.closed == {"client_gone": 1}


def test_stream_that_ends_before_it_is_live_gets_one_closing_and_a_complete_response(
    doorstep: Doorstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    sendall = gevent.socket.socket.sendall

    def close_meanwhile(sock: Any, data: bytes) -> None:
        sendall(sock, data)
        doorstep.sse.streams.close_where(lambda stream: True, CloseReason.SESSION_CLOSED)

    monkeypatch.setattr(gevent.socket.socket, "sendall", close_meanwhile)
    assert doorstep.is_answered(request_of())
    received = doorstep.receive_until(END)
    assert received.count(b"event: closing") == 1
    assert received.endswith(END)
