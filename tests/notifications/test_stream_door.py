"""The short way to a stream, beneath Flask, and what is left to the long one."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gevent.socket
import jwt
import pytest

from notifications.admission import StreamLimits
from notifications.auth import Authenticator, TokenKeys
from notifications.brokers.memory import MemoryBroker
from notifications.socket_outlet import HandedOver
from notifications.sse_service import SseService, StreamOptions
from notifications.stream import CloseReason
from notifications.stream_door import StreamDoor
from notifications.stream_entrance import StreamEntrance
from tests.support.streams import HEARTBEAT_BODY, wait_in_loop

KEYS = TokenKeys("a secret of the tests, and of nothing else")
END = b"0\r\n\r\n"


def token(subject: str = "anna", **claims: Any) -> str:
    payload = {"sub": subject, "role": "waiter", "exp": 2e9, **claims}
    return jwt.encode(payload, KEYS.secret_key, algorithm="HS256")


class Doorstep:
    """A door, and one connection that stands before it."""

    def __init__(self, **options: Any) -> None:
        self.broker = MemoryBroker(new_epoch=lambda: "e1")
        self.sse = SseService(self.broker, StreamOptions(**options))
        self.sse.start()
        self.door = StreamDoor(StreamEntrance(self.sse, Authenticator(KEYS)))
        ours, theirs = socket.socketpair()
        self.server = gevent.socket.socket(fileno=ours.detach())
        self.client = gevent.socket.socket(fileno=theirs.detach())
        self.client.settimeout(5)

    def request(self, *headers: tuple[str, str], **changes: Any) -> SimpleNamespace:
        """Return what gunicorn makes of a plain request for anna's stream."""
        return SimpleNamespace(
            **{
                "method": "GET",
                "path": "/sse/waiter/anna",
                "query": "",
                "version": (1, 1),
                "headers": [
                    ("HOST", "localhost"),
                    ("AUTHORIZATION", f"Bearer {token()}"),
                    *headers,
                ],
                "peer_addr": ("192.0.2.1", 4711),
                "unreader": SimpleNamespace(sock=self.server),
            }
            | changes
        )

    def is_answered(self, request: SimpleNamespace) -> bool:
        try:
            self.door.answer(request)
        except HandedOver:
            return True
        return False

    def receive_until(self, end: bytes) -> bytes:
        received = b""
        while not received.endswith(end):
            received += self.client.recv(65_536)
        return received

    @property
    def open_streams(self) -> int:
        return sum(self.sse.counts().values())

    def is_untouched(self) -> bool:
        """Nothing was written to the connection, and no stream is open."""
        self.client.setblocking(False)
        try:
            self.client.recv(1)
        except BlockingIOError:
            return self.open_streams == 0 and self.server.fileno() >= 0
        return False

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


def test_plain_request_is_answered_and_its_connection_taken_over(doorstep: Doorstep) -> None:
    assert doorstep.is_answered(doorstep.request())

    head, _, rest = doorstep.receive_until(b"\n\n\r\n").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "Content-Type: text/event-stream; charset=utf-8" in lines
    assert "Transfer-Encoding: chunked" in lines
    assert rest.split(b"\r\n", 1)[1].startswith(b"retry: ")
    assert doorstep.server.fileno() < 0, "the descriptor is the stream's, and no copy is left"
    doorstep.broker.publish(["waiter:anna"], HEARTBEAT_BODY, key="1")
    assert b"id: e1-1" in doorstep.receive_until(b"\n\n\r\n")


def test_place_is_resumed_from_header_or_query(build: Callable[..., Doorstep]) -> None:
    ways = (
        {"headers": [("AUTHORIZATION", f"Bearer {token()}"), ("LAST-EVENT-ID", "e1-1")]},
        {"query": "lastEventId=e1-1"},
    )
    for way in ways:
        doorstep = build()
        for number in range(3):
            doorstep.broker.publish(["waiter:anna"], HEARTBEAT_BODY, key=str(number))
        assert doorstep.is_answered(doorstep.request(**way))
        received = doorstep.receive_until(b"id: e1-3\n\n\r\n")
        assert b"id: e1-2" in received
        assert b"id: e1-1\n" not in received


def test_stream_token_may_stand_in_the_query(doorstep: Doorstep) -> None:
    query = f"token={token(scope='stream')}"
    assert doorstep.is_answered(doorstep.request(headers=[("HOST", "localhost")], query=query))


EXTRAORDINARY: dict[str, dict[str, Any]] = {
    "another method": {"method": "HEAD"},
    "HTTP/1.0": {"version": (1, 0)},
    "HTTP/2": {"version": (2, 0)},
    "another path": {"path": "/sse/health"},
    "a path to be decoded": {"path": "/sse/waiter/%61nna"},
    "a longer path": {"path": "/sse/waiter/anna/more"},
    "no token": {"headers": [("HOST", "localhost")]},
    "too many parameters": {"query": "&".join(f"p{number}=1" for number in range(11))},
    "a header twice": {"headers": [("AUTHORIZATION", f"Bearer {token()}")] * 2},
    "no socket": {"unreader": SimpleNamespace()},
}


@pytest.mark.parametrize("name", EXTRAORDINARY)
def test_whatever_is_out_of_the_ordinary_is_left_to_flask(doorstep: Doorstep, name: str) -> None:
    assert not doorstep.is_answered(doorstep.request(**EXTRAORDINARY[name]))
    assert doorstep.is_untouched()


@pytest.mark.parametrize(
    "header", ["ORIGIN", "CONTENT-LENGTH", "TRANSFER-ENCODING", "UPGRADE", "EXPECT"]
)
def test_whatever_needs_another_answer_is_left_to_flask(doorstep: Doorstep, header: str) -> None:
    assert not doorstep.is_answered(doorstep.request((header, "x")))
    assert doorstep.is_untouched()


REFUSED: dict[str, dict[str, Any]] = {
    "forged token": {"headers": [("AUTHORIZATION", f"Bearer {token()[:-3]}AAA")]},
    "another's stream": {"path": "/sse/waiter/ben"},
    "full token in the query": {"headers": [], "query": f"token={token()}"},
    "no id": {"path": "/sse/waiter/-"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_is_left_to_flask_to_tell(doorstep: Doorstep, name: str) -> None:
    assert not doorstep.is_answered(doorstep.request(**REFUSED[name]))
    assert doorstep.is_untouched()


def test_server_that_is_full_leaves_it_to_flask_to_say_so(build: Callable[..., Doorstep]) -> None:
    doorstep = build(limits=StreamLimits(max_streams=0))
    assert not doorstep.is_answered(doorstep.request())
    assert doorstep.is_untouched()


def test_client_that_is_gone_by_then_leaves_nothing_behind(doorstep: Doorstep) -> None:
    doorstep.client.close()
    assert doorstep.is_answered(doorstep.request())
    wait_in_loop(lambda: doorstep.open_streams == 0)
    assert doorstep.sse.stats.closed == {"client_gone": 1}


def test_stream_that_ends_before_it_is_live_says_why_and_ends_as_http_has_it(
    doorstep: Doorstep, monkeypatch: pytest.MonkeyPatch
) -> None:
    sendall = gevent.socket.socket.sendall

    def close_meanwhile(sock: Any, data: bytes) -> None:
        sendall(sock, data)
        doorstep.sse.close_where(lambda stream: True, CloseReason.SESSION_CLOSED)

    monkeypatch.setattr(gevent.socket.socket, "sendall", close_meanwhile)
    assert doorstep.is_answered(doorstep.request())
    received = doorstep.receive_until(END)
    assert received.count(b"event: closing") == 1
    assert received.endswith(END)
