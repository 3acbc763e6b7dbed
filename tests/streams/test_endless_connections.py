"""Every connection has a deadline, and health checks always find a place, without nginx."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.metrics import Figures
from tests.support.programs import connections
from tests.support.raw_http import exchange
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.waiting import wait_until

HEALTH_PATHS = ("/health/live", "/sse/health", "/metrics")


@pytest.fixture(scope="module")
def server(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory, fast_connect: str
) -> Iterator[ServiceServer]:
    """The shipped configuration with deadlines of one second, and a pool of 20 and 100 places."""
    directory = tmp_path_factory.mktemp("server")
    url = copy_sqlite(seeded_sqlite, directory)
    server = ServiceServer(directory, url, SSE_FAST_CONNECT=fast_connect)
    server.command = ["gunicorn", "--config", "tests/streams/short_deadlines.conf.py"]
    server.start()
    yield server
    server.kill()
    server.close()


@pytest.fixture
def clients(server: ServiceServer) -> Iterator[Callable[..., list[socket.socket]]]:
    """Connect ``number`` clients that each send something once and then stay silent."""
    with ExitStack() as stack:

        def connect(number: int, sent: Callable[[], bytes] | bytes = b"") -> list[socket.socket]:
            wires = []
            for _ in range(number):
                wire = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                stack.enter_context(wire)
                with suppress(ConnectionError):
                    wire.sendall(sent() if callable(sent) else sent)
                wires.append(wire)
            return wires

        yield connect


def is_forgotten(server: ServiceServer) -> bool:
    """Return whether the worker holds no connection except the one that asks it."""
    [worker] = server.worker_pids
    return connections(worker, server.port) == 0


def rest_of(wire: socket.socket) -> bytes:
    """Read until the server ends the connection. Fail if it does not end it."""
    answer = b""
    with suppress(ConnectionError):
        while data := wire.recv(65_536):
            answer += data
    return answer


def ended(server: ServiceServer, cause: str) -> float:
    return Figures.of(server).value("connections_ended_total", cause=cause)


def post(server: ServiceServer, *headers: str, body: str = "") -> bytes:
    """Return a call by a new bearer, because the calls of one bearer wait for each other."""
    lines = [
        "POST /api/sessions HTTP/1.1",
        "Host: house",
        f"Authorization: Bearer {server.token('waiter', uuid.uuid4().hex)}",
        "Content-Type: application/json",
        *headers,
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /sse/wai", b"GET /sse/waiter/anna HTTP/1.1\r\nHost: house\r\n", b"PATCH /api/x"],
    ids=["nothing", "half a line", "half a head", "half a call"],
)
def test_connection_without_a_complete_head_is_closed(server, clients, sent: bytes) -> None:
    for wire in clients(10, sent):
        assert b"200" not in rest_of(wire)
    wait_until(lambda: is_forgotten(server))


def test_connection_with_a_head_that_comes_byte_by_byte_is_closed(server, clients) -> None:
    [wire] = clients(1)
    sent = b"GET /health/live HTTP/1.1\r\nHost: house\r\n" + b"X: y\r\n" * 100

    def is_ended_while_dripping() -> bool:
        nonlocal sent
        wire.sendall(sent[:1])
        sent = sent[1:]
        wire.settimeout(0.05)
        try:
            return bool(wire.recv(1) == b"")
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    wait_until(is_ended_while_dripping, 10)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("Content-Length: 100",), ""),
        (("Content-Length: 100",), '{"tableNumber": 12'),
        (("Transfer-Encoding: chunked",), ""),
        (("Transfer-Encoding: chunked",), "5\r\nhello\r\n"),
        (("Content-Length: 100", "Expect: 100-continue"), ""),
    ],
)
def test_missing_body_is_answered_408(server, clients, headers, body) -> None:
    before = ended(server, "slow_body")
    for wire in clients(15, lambda: post(server, *headers, body=body)):
        answer = rest_of(wire)
        assert b"HTTP/1.1 408 " in answer
        assert b"\r\nConnection: close\r\n" in answer
        assert b'"status": 408' in answer
    wait_until(lambda: is_forgotten(server))
    assert ended(server, "slow_body") == before + 15


def test_body_that_comes_byte_by_byte_is_answered_408(server, clients) -> None:
    [wire] = clients(1, post(server, "Content-Length: 1000", body="{"))

    def is_answered_while_dripping() -> bool:
        wire.sendall(b" ")
        wire.settimeout(0.05)
        try:
            return bool(wire.recv(65_536).startswith(b"HTTP/1.1 408 "))
        except TimeoutError:
            return False

    wait_until(is_answered_while_dripping, 10)


def test_refused_call_without_its_body_ends_its_connection(server, clients) -> None:
    """The refusal is written before the body arrives."""
    request = b"POST /api/sessions HTTP/1.1\r\nHost: house\r\nContent-Length: 100\r\n\r\n"
    for wire in clients(10, request):
        assert rest_of(wire).startswith(b"HTTP/1.1 401 ")
    wait_until(lambda: is_forgotten(server))


def test_connection_with_unread_answers_is_closed(server, clients) -> None:
    request = b"GET /api/openapi.json HTTP/1.1\r\nHost: house\r\n\r\n"
    before = ended(server, "unread_answer")
    wires = clients(3, request * 500)
    wait_until(lambda: ended(server, "unread_answer") == before + len(wires), 15)
    wait_until(lambda: is_forgotten(server))


def test_head_of_half_a_megabyte_is_not_read(server, clients) -> None:
    """Each field and the number of fields are within their limits."""
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 7500) for number in range(63))
    request = b"GET /health/live HTTP/1.1\r\nHost: house\r\n" + fields + b"\r\n"
    for wire in clients(3, request):
        assert b" 200 " not in rest_of(wire)
    small = exchange(server.url, request[:20_000].rpartition(b"\r\n")[0] + b"\r\n\r\n")
    assert small.status == 200


def test_head_that_is_too_large_is_answered_431(server) -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 7500) for number in range(5))
    head = b"GET /health/live HTTP/1.1\r\nHost: house\r\n" + fields
    assert exchange(server.url, head).status == 431


def test_health_checks_are_answered_while_all_places_are_taken(server, clients) -> None:
    waiting = clients(20, lambda: post(server, "Content-Length: 100"))
    wait_until(lambda: connections(server.worker_pids[0], server.port) == 20)
    clients(60)  # silent clients in the reserved places

    for path in HEALTH_PATHS:
        answer = exchange(server.url, f"GET {path} HTTP/1.1\r\nHost: house\r\n\r\n".encode())
        assert answer.status == 200, path
        assert answer.header("Connection") == "close"
    for wire in waiting:
        rest_of(wire)
    wait_until(lambda: is_forgotten(server))


def test_other_calls_are_answered_503_while_all_places_are_taken(server, clients) -> None:
    before = ended(server, "full")
    token = server.token("waiter", "anna")
    clients(20, lambda: post(server, "Content-Length: 100"))
    wait_until(lambda: connections(server.worker_pids[0], server.port) == 20)

    call = exchange(server.url, b"GET /api/sessions HTTP/1.1\r\nHost: house\r\n\r\n")
    stream = exchange(
        server.url,
        f"GET /sse/waiter/anna HTTP/1.1\r\nHost: house\r\nAuthorization: Bearer {token}\r\n"
        "Accept: text/event-stream\r\n\r\n".encode(),
    )

    assert call.status == 503
    assert call.header("Retry-After") == "2"
    assert call.header("Content-Type") == "application/problem+json"
    assert b'"requestId"' in call.body
    # After a status, a browser's EventSource would not reconnect.
    assert stream.status == 200
    assert b"event: closing" in stream.body
    assert b"server_full" in stream.body
    wait_until(lambda: is_forgotten(server))
    assert ended(server, "full") == before + 2
    assert server.get("/api/openapi.json").status_code == 200
