"""Requests that no honest client sends get a clear answer, never a 500, and change nothing."""

from __future__ import annotations

import json
import socket

import pytest

from tests.support.raw_http import RawAnswer, exchange
from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient
from tests.support.waiting import wait_until

TEN_MEGABYTES = 10 * 1024 * 1024


def send(house: SharedServer, request: str | bytes) -> RawAnswer:
    return exchange(house.url, request.encode("latin-1") if isinstance(request, str) else request)


def get(house: SharedServer, path: str, *more: str, method: str = "GET") -> RawAnswer:
    token = house.token("waiter", "anna")
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: house",
        f"Authorization: Bearer {token}",
        "Connection: close",
        *more,
        "",
        "",
    ]
    return send(house, "\r\n".join(lines))


def assert_refused(answer: RawAnswer) -> None:
    assert 400 <= answer.status < 500, answer
    assert b"Traceback" not in answer.body


def test_token_endpoint_survives_ten_megabytes(house: SharedServer) -> None:
    token = house.token("waiter", "anna")
    head = (
        "POST /sse/token HTTP/1.1\r\nHost: house\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {TEN_MEGABYTES}\r\n\r\n"
    )
    answer = send(house, head.encode() + b"x" * TEN_MEGABYTES)
    # The endpoint needs nothing of this body, so it ignores or refuses it.
    assert answer.status in (200, 400, 413), answer
    assert house.get("/sse/health").ok


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b'{"token":', b"\xff\xfe", b'{"a":' * 20_000, b"\0" * 100]
)
def test_token_endpoint_survives_broken_json(house: SharedServer, body: bytes) -> None:
    answer = house.post(
        "/sse/token",
        token=house.token("waiter", "anna"),
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in (200, 400, 413)
    nobody = house.post("/sse/token", data=body, headers={"Content-Type": "application/json"})
    assert nobody.status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_streams_accept_no_method_except_get_and_head(house: SharedServer, method: str) -> None:
    answer = get(house, "/sse/waiter/anna", method=method)
    assert answer.status == 405
    assert answer.header("Content-Type") == "application/problem+json"
    assert json.loads(answer.body)["status"] == 405


def test_head_is_answered_at_once_and_opens_no_stream(house: SharedServer) -> None:
    answer = get(house, "/sse/waiter/anna", method="HEAD")
    assert answer.status == 200
    assert answer.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert answer.body == b""
    assert house.open_streams() == 0


def test_unknown_path_is_answered_404_with_a_problem_document(house: SharedServer) -> None:
    for path in ("/sse/", "/sse/session/", "/sse/nothing/anna", "/nowhere"):
        answer = get(house, path)
        assert answer.status == 404, path
        assert answer.header("Content-Type") == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    [
        "/sse/waiter/%00",
        "/sse/waiter/%ff%fe",
        "/sse/waiter/%0d%0aSet-Cookie:%20a=b",
        "/sse/waiter/%e2%80%a8",
        "/sse/waiter/anna%00",
        "/sse/waiter/anna%0a",
        "/sse/waiter/%",
        "/sse/waiter/../../etc/passwd",
        "/sse/waiter/anna/extra",
        "/sse/waiter/anna?token=%00%ff",
        "/sse/waiter/" + "a" * 3000,
        "/sse/waiter/anna?" + "x" * 8000,
    ],
)
def test_strange_target_is_refused(house: SharedServer, path: str) -> None:
    if "?token" in path:
        answer = send(house, f"GET {path} HTTP/1.1\r\nHost: house\r\nConnection: close\r\n\r\n")
    else:
        answer = get(house, path)
    assert_refused(answer)


@pytest.mark.parametrize(
    "place",
    ["%00", "%0d%0a%0d%0adata:%20forged", "%e2%80%a8", "x" * 2000, "-", "%ff", "a-1&lastEventId=b"],
)
def test_strange_place_causes_a_resync_and_no_error(house: SharedServer, place: str) -> None:
    token = house.token("waiter", "anna")
    client = SseClient(f"{house.url}/sse/waiter/anna?lastEventId={place}", token=token)
    client.next("connection")
    assert client.events[0].data["resumed"] is False
    assert client.next("cache_refresh").data["affectedData"] == ["all"]
    client.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /sse/health HTTP/1.1\r\nHost: house\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /sse/health HTTP/1.1\r\nHost: house\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"GET /sse/health HTTP/1.1\r\nHost: house\r\nA\0B: c\r\n\r\n",
        b"POST /sse/token HTTP/1.1\r\nHost: house\r\nContent-Length: -1\r\n\r\n",
        b"POST /sse/token HTTP/1.1\r\nHost: house\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_do_no_harm(house: SharedServer, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", house.port), timeout=10) as wire:
        wire.sendall(request_)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while data := wire.recv(65_536):
            answer += data
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert house.get("/sse/health").ok


def test_http_1_0_client_gets_a_stream_that_ends_with_its_connection(
    house: SharedServer,
) -> None:
    token = house.token("waiter", "anna")
    with socket.create_connection(("127.0.0.1", house.port), timeout=10) as wire:
        wire.sendall(
            f"GET /sse/waiter/anna HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        reader = wire.makefile("rb")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += reader.readline()
        assert b"transfer-encoding" not in head.lower()
        assert reader.readline().startswith(b"retry: ")
        lines = [reader.readline() for _ in range(5)]
        assert lines[0] == b"event: connection\n"
        assert lines[3] == b"\n"
        # HTTP/1.0 has no chunks, so the heartbeat follows without a chunk size.
        assert lines[4] == b"event: heartbeat\n"
        reader.close()
    wait_until(lambda: house.open_streams() == 0, 2)


def test_client_that_hangs_up_during_its_request_leaves_no_stream(
    house: SharedServer,
) -> None:
    for cut in (10, 40, 80):
        with socket.create_connection(("127.0.0.1", house.port)) as wire:
            wire.sendall(
                b"GET /sse/waiter/anna HTTP/1.1\r\nHost: house\r\nAuthorization: Bea"[:cut]
            )
    assert house.get("/sse/health").ok
    assert house.open_streams() == 0
