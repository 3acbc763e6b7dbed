"""Clients that go away in any manner leave nothing behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient
from tests.support.tables import Table
from tests.support.waiting import wait_until

# The time within which vanished clients must no longer be counted.
SECONDS = 2.0


def descriptors(house: SharedServer) -> int:
    [worker] = house.worker_pids
    return len(os.listdir(Path(f"/proc/{worker}/fd")))  # noqa: PTH208 - only the number is needed


def listen(house: SharedServer, table: Table, number: int) -> list[SseClient]:
    return [table.listen_guest() if index % 2 else table.listen_waiter() for index in range(number)]


@pytest.mark.parametrize("way", ["abort", "close"])
def test_hundred_vanished_clients_are_no_longer_counted_after_two_seconds(
    house: SharedServer, table: Table, tell: Callable[[str], None], way: str
) -> None:
    """The server notices them although no change is published meanwhile."""
    before = descriptors(house)
    clients = listen(house, table, 100)
    assert house.open_streams() == 100
    counts = house.get("/sse/health").json()["activeConnections"]
    assert counts == {"sessions": 50, "waiters": 50, "total": 100}
    for client in clients:
        getattr(client, way)()
    gone_at = time.monotonic()
    wait_until(lambda: house.open_streams() == 0, SECONDS, "streams are still counted")
    tell(f"100 clients ({way}): forgotten after {time.monotonic() - gone_at:.2f} s")
    wait_until(lambda: descriptors(house) <= before + 2, 5, "descriptors are left open")


def test_clients_that_vanish_while_events_flow_do_not_disturb_the_others(
    house: SharedServer, table: Table
) -> None:
    stays = table.listen_guest()
    vanishing = listen(house, table, 40)
    for number, client in enumerate(vanishing):
        table.toggle_order(2)
        client.abort()
        if number % 10 == 9:
            stays.next("order_update")
    wait_until(lambda: len(stays.of_type("order_update")) == 80, 10)
    versions = [event.data["version"] for event in stays.of_type("order_update")]
    assert versions == list(range(2, 82))
    wait_until(lambda: house.open_streams() == 1, SECONDS)
