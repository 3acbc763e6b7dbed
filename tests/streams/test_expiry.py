"""A stream ends with its token, and its client gets the reason."""

from __future__ import annotations

import time

import pytest

from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient
from tests.support.tables import Table


def assert_ends_with_its_token(client: SseClient, expires_at: float) -> None:
    closing = client.next("closing", timeout=5)
    late = time.time() - expires_at
    assert 0 <= late < 1
    assert closing.data["code"] == "token_expired"
    assert closing.data["reconnect"] is True
    assert closing.data["reason"]
    assert closing.id is None, "the closing event must not become the place to resume from"
    client.wait_ended(1)
    assert client.failure is None, "the response must end properly"
    assert client.events[-1] is closing


@pytest.mark.parametrize("role", ["customer", "waiter"])
def test_stream_ends_within_a_second_after_its_token_expires_with_that_reason(
    table: Table, role: str
) -> None:
    expires_at = time.time() + 1.5
    if role == "customer":
        token = table.house.token("customer", table.session_id, exp=expires_at)
        client = table.listen_guest(token=token)
    else:
        token = table.house.token("waiter", table.waiter_id, exp=expires_at)
        client = table.listen_waiter(token=token)
    other = table.listen_waiter()
    assert_ends_with_its_token(client, expires_at)
    assert not other.has_ended


def test_client_resumes_with_its_next_token(table: Table) -> None:
    token = table.house.token("customer", table.session_id, exp=time.time() + 1.2)
    client = table.listen_guest(token=token)
    table.move_order("InProgress")
    client.next("cache_refresh")
    client.wait_ended()
    table.move_order("Complete")
    again = table.listen_guest(last_event_id=client.last_event_id)
    assert again.next("order_update").data["status"] == "Complete"
    assert again.events[0].data["resumed"] is True


def test_stream_of_a_stream_token_ends_with_the_token_it_was_made_from(
    house: SharedServer, table: Table
) -> None:
    expires_at = time.time() + 2.5
    full = house.token("customer", table.session_id, exp=expires_at)
    stream_token = house.post("/sse/token", token=full).json()["token"]
    client = table.listen_guest(token=stream_token)
    assert client.next("closing", timeout=5).data["code"] == "token_expired"
    assert time.time() - expires_at < 1
