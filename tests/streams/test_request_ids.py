"""A request's id connects the answer of the client with the lines of the log."""

from __future__ import annotations

import re

import pytest
import requests

from tests.streams.test_two_ways import WAYS, every_way
from tests.support.raw_http import exchange
from tests.support.shared_server import SharedServer
from tests.support.tables import Table
from tests.support.waiting import wait_until

MADE = re.compile(r"[0-9a-f]{16}")


def is_logged(house: SharedServer, message: str, request_id: str) -> bool:
    return any(
        message in line and line.endswith(f" requestId={request_id}")
        for line in house.log_so_far.splitlines()
    )


@every_way
def test_stream_is_answered_and_logged_under_the_id_of_the_client(
    house: SharedServer, table: Table, way: str
) -> None:
    asked = f"proxy-{way}.{table.number}"
    client = table.listen_guest(headers={**WAYS[way], "X-Request-ID": asked})

    assert client.headers["x-request-id"] == asked
    wait_until(lambda: is_logged(house, "stream opened", asked))


@every_way
def test_stream_without_an_id_gets_one(house: SharedServer, table: Table, way: str) -> None:
    made = [table.listen_guest(headers=WAYS[way]).headers["x-request-id"] for _ in range(2)]

    assert all(MADE.fullmatch(each) for each in made)
    assert made[0] != made[1]
    wait_until(lambda: is_logged(house, "stream opened", made[0]))


@pytest.mark.parametrize(
    "named",
    ["", "x" * 65, "a b", "a\tb", "-", "a\x7f", "é", 'a"b', "{}", "a,b", "a;b", "\\x1b[31m"],
)
@pytest.mark.parametrize("path", ["/sse/waiter/anna", "/api/sessions/table-7", "/nowhere"])
def test_unsafe_id_is_replaced(house: SharedServer, path: str, named: str) -> None:
    request = (
        f"GET {path} HTTP/1.1\r\nHost: house\r\nX-Request-ID: {named}\r\nConnection: close\r\n\r\n"
    )
    answer = exchange(house.url, request.encode())
    if answer.status != 400:  # gunicorn refuses some of these itself
        assert MADE.fullmatch(answer.header("X-Request-ID") or "")


def test_refusal_names_its_id_in_the_document_and_in_the_log(house: SharedServer) -> None:
    refused = house.get("/sse/waiter/anna", headers={"X-Request-ID": "guest-12"})

    assert refused.status_code == 401
    assert refused.headers["X-Request-ID"] == "guest-12"
    assert refused.json()["requestId"] == "guest-12"
    wait_until(lambda: is_logged(house, "stream refused", "guest-12"))


@pytest.mark.parametrize(
    ("path", "status"), [("/api/sessions/table-7", 401), ("/nowhere", 404), ("/sse/token", 405)]
)
def test_every_problem_document_names_its_request(
    house: SharedServer, path: str, status: int
) -> None:
    answer = house.get(path)
    assert answer.status_code == status
    assert answer.json()["requestId"] == answer.headers["X-Request-ID"]
    assert house.get("/health/live").headers["X-Request-ID"]


def test_each_request_on_a_connection_has_its_own_id(house: SharedServer) -> None:
    with requests.Session() as connection:
        named = connection.get(f"{house.url}/nowhere", headers={"X-Request-ID": "first"})
        unnamed = connection.get(f"{house.url}/nowhere")
    assert named.json()["requestId"] == "first"
    assert MADE.fullmatch(unnamed.json()["requestId"])
