"""Rapid changes cause every update in order, and few refreshes."""

from __future__ import annotations

import os
import signal
import time
from functools import partial

from notifications.refresh.trigger import Priority
from tests.support.shared_server import SharedServer
from tests.support.sse_client import SseClient
from tests.support.sse_parser import SseEvent
from tests.support.tables import Table
from tests.support.waiting import wait_until


def wait_for_updates(client: SseClient, number: int) -> None:
    wait_until(
        lambda: len(client.of_type("order_update")) >= number or client.has_ended,
        30,
        lambda: f"{len(client.of_type('order_update'))} updates",
    )


def is_refreshed_since(client: SseClient, update: SseEvent) -> bool:
    return client.of_type("cache_refresh")[-1].received_at > update.received_at


def assert_each_once_in_order(client: SseClient, number: int) -> None:
    versions = [event.data["version"] for event in client.of_type("order_update")]
    assert versions == list(range(2, number + 2))


def test_three_hundred_rapid_changes_cause_as_many_updates_and_few_refreshes(table: Table) -> None:
    guest, waiter = table.listen_guest(), table.listen_waiter()
    started = time.monotonic()
    table.toggle_order(300)
    for client in (guest, waiter):
        wait_for_updates(client, 300)
        last = client.of_type("order_update")[-1]
        client.next("cache_refresh")
        wait_until(
            partial(is_refreshed_since, client, last),
            message="no refresh after the last update",
        )
        assert_each_once_in_order(client, 300)
        refreshes = client.of_type("cache_refresh")
        # At most one refresh for each quiet time that the changes took on this machine.
        took = refreshes[-1].received_at - started
        assert len(refreshes) <= 1 + took / Priority.HIGH.quiet_seconds


def test_three_hundred_changes_that_arrive_at_once_close_no_stream(
    house: SharedServer, table: Table
) -> None:
    """All changes arrive in one turn of the event loop, and exceed a mailbox."""
    guest, waiter = table.listen_guest(), table.listen_waiter()
    [worker] = house.worker_pids
    os.kill(worker, signal.SIGSTOP)
    try:
        table.toggle_order(300)
    finally:
        os.kill(worker, signal.SIGCONT)
    for client in (guest, waiter):
        wait_for_updates(client, 300)
        client.next("cache_refresh")
        assert_each_once_in_order(client, 300)
        assert len(client.of_type("cache_refresh")) <= 2
        assert not client.has_ended
