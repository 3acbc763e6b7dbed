"""Clients of other authors connect, resume, and receive every event once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx_sse
import pytest
import requests
import requests_sse
import sseclient

from tests.support.tables import Table
from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Heard:
    """An event as a client received it."""

    type: str
    data: str
    id: str


Open = Callable[[str, dict[str, str]], Any]


@contextmanager
def through_httpx_sse(url: str, headers: dict[str, str]) -> Iterator[Iterator[Heard]]:
    with (
        httpx.Client(timeout=10) as client,
        httpx_sse.connect_sse(client, "GET", url, headers=headers) as source,
    ):
        yield (Heard(event.event, event.data, event.id) for event in source.iter_sse())


@contextmanager
def through_requests_sse(url: str, headers: dict[str, str]) -> Iterator[Iterator[Heard]]:
    place = headers.pop("Last-Event-ID", None)
    with requests_sse.EventSource(
        url, headers=headers, latest_event_id=place, timeout=10
    ) as source:
        yield (Heard(event.type, event.data, event.last_event_id) for event in source)


@contextmanager
def through_sseclient(url: str, headers: dict[str, str]) -> Iterator[Iterator[Heard]]:
    with requests.get(url, headers=headers, stream=True, timeout=10) as response:
        assert response.status_code == 200
        client = sseclient.SSEClient(iter(response))
        yield (Heard(event.event, event.data, event.id or "") for event in client.events())


CLIENTS: dict[str, Open] = {
    "httpx-sse": through_httpx_sse,
    "requests-sse": through_requests_sse,
    "sseclient-py": through_sseclient,
}


def read_updates(events: Iterator[Heard], number: int) -> list[Heard]:
    """Read until this many updates have come; return all events without heartbeats."""
    heard = []
    for event in events:
        if event.type != "heartbeat":
            heard.append(event)
        if sum(each.type == "order_update" for each in heard) == number:
            return heard
    raise AssertionError(f"the stream ended after {heard}")


@pytest.mark.parametrize("name", CLIENTS)
def test_client_connects_resumes_and_receives_every_event_once(table: Table, name: str) -> None:
    url = f"{table.house.url}/sse/session/{table.session_id}"
    headers = {
        "Authorization": f"Bearer {table.house.token('customer', table.session_id)}",
    }
    witness = table.listen_guest()

    with CLIENTS[name](url, dict(headers)) as events:
        assert next(events).type == "connection"
        table.toggle_order(3)
        first = read_updates(events, 3)
    place = next(event.id for event in reversed(first) if event.id)
    table.toggle_order(5)
    witness_has = lambda number: len(witness.of_type("order_update")) == number  # noqa: E731
    wait_until(lambda: witness_has(8))

    with CLIENTS[name](url, {**headers, "Last-Event-ID": place}) as events:
        greeting = next(events)
        assert '"resumed":true' in greeting.data
        second = read_updates(events, 5)
        table.toggle_order(1)
        third = read_updates(events, 1)

    wait_until(lambda: witness_has(9))
    expected = [(event.text, event.id) for event in witness.of_type("order_update")]
    heard = [each for each in (*first, *second, *third) if each.type == "order_update"]
    assert [(each.data, each.id) for each in heard] == expected


def test_client_that_reconnects_on_its_own_misses_nothing(table: Table) -> None:
    """requests-sse reconnects when its token ends: it waits as told, and sends its last id."""
    authorized_at: list[float] = []

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        authorized_at.append(time.monotonic())
        token = table.house.token("customer", table.session_id, exp=time.time() + 1.2)
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    heard: list[Heard] = []

    def listen() -> None:
        url = f"{table.house.url}/sse/session/{table.session_id}"
        with requests_sse.EventSource(url, auth=authorize, timeout=10) as source:
            for event in source:
                heard.append(Heard(event.type, event.data, event.last_event_id))
                if sum(each.type == "order_update" for each in heard) == 4:
                    return

    witness = table.listen_guest()
    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    wait_until(lambda: heard)
    table.toggle_order(2)
    wait_until(lambda: any(each.type == "closing" for each in heard))
    table.toggle_order(2)
    reader.join(30)
    assert not reader.is_alive(), heard
    assert authorized_at[1] - authorized_at[0] >= 2.0, "it was told to wait two to five seconds"

    updates = [each for each in heard if each.type == "order_update"]
    wait_until(lambda: len(witness.of_type("order_update")) == 4)
    assert [(each.data, each.id) for each in updates] == [
        (event.text, event.id) for event in witness.of_type("order_update")
    ]
    assert [each.type for each in heard].count("connection") == 2
