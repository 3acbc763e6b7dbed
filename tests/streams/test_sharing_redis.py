"""Deployments that share one Redis, each with its own database: the same ids, other tables."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until

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
        # While a refresh waits: histories, reports, batches, and who listens to what.
        wait_until(lambda: any(name.endswith("collecting") for name in client.scan_iter()))
        names = [*client.scan_iter(), *client.pubsub_channels()]
        assert [name for name in names if not name.startswith("north:")] == []
    guest.next("order_update")


def test_second_deployment_under_one_prefix_does_not_start(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    start_own(REDIS_URL=redis_server.url)
    second = start_own(REDIS_URL=redis_server.url, start=False)
    second.expected_errors += ["The service cannot start", "exited with code", "Shutting down"]
    second.expected_errors.append("Worker failed to boot")
    second.start(wait=False)
    assert second.wait_exit() != 0
    assert "The service cannot start: another deployment, with another database" in second.log
    assert "Traceback" not in second.log


def test_running_service_says_that_another_has_its_prefix(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    """As when Redis was emptied, and the other deployment came back first."""
    server = start_own(REDIS_URL=redis_server.url)
    with redis_server.client() as client:
        client.hset("restaurant:{deployment}:mark", "deployment", "another")
        health = wait_until(
            lambda: (answer := server.get("/sse/health")).status_code == 503 and answer.json(), 10
        )
        assert "another deployment" in health["reason"]
        change_the_order(server, "Acknowledged")
        client.delete("restaurant:{deployment}:mark")
    wait_until(lambda: server.get("/sse/health").ok, 10)
    wait_until(lambda: "restaurant_outbox_pending_changes 0.0" in server.get("/metrics").text)
