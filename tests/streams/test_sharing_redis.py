"""Deployments that share one Redis, each with its own database: the same ids, other tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer

pytestmark = pytest.mark.redis

StartServer = Callable[..., ServiceServer]


def change_the_order(server: ServiceServer, status: str) -> None:
    answer = server.request(
        "PATCH",
        "/api/orders/ord-1",
        token=server.token("waiter", "anna"),
        json={"status": status},
    )
    assert answer.ok, answer.text


def test_deployments_with_a_prefix_each_hear_nothing_of_each_other(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    north, south = (
        start_own(REDIS_URL=redis_server.url, REDIS_PREFIX=prefix) for prefix in ("north", "south")
    )
    northern, southern = north.listen_waiter("anna"), south.listen_waiter("anna")
    change_the_order(north, "Acknowledged")
    assert northern.next("order_update").data["status"] == "Acknowledged"
    # Heard in order: what came from the north would stand before it.
    change_the_order(south, "Rejected")
    assert southern.next("order_update").data["status"] == "Rejected"
    assert [event.data["status"] for event in southern.of_type("order_update")] == ["Rejected"]
    assert north.open_streams() == south.open_streams() == 1


def test_every_name_in_redis_begins_with_the_prefix(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    server = start_own(REDIS_URL=redis_server.url, REDIS_PREFIX="north:")
    guest = server.listen_session("table-7")
    change_the_order(server, "Acknowledged")
    with redis_server.client() as client:
        names = [*client.scan_iter(), *client.pubsub_channels()]
        # While a refresh waits: histories, reports, batches, and who listens to what.
        assert len(names) >= 8, names
        assert [name for name in names if not name.startswith("north:")] == []
    guest.next("order_update")
