"""Deployments that share one Redis and have separate databases with the same ids."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis

from tests.support.metrics import Figures
from tests.support.programs import REPOSITORY
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


def test_deployments_with_different_prefixes_get_no_events_of_each_other(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    north, south = (
        start_own(REDIS_URL=redis_server.url, REDIS_PREFIX=prefix) for prefix in ("north", "south")
    )
    northern, southern = north.listen_waiter("anna"), south.listen_waiter("anna")
    change_the_order(north, "Acknowledged")
    assert northern.next("order_update").data["status"] == "Acknowledged"
    # Events arrive in order, so an event of the north would come before this one.
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
        # While a refresh waits, Redis has histories, reports, batches and subscriptions.
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


def test_running_service_reports_that_another_deployment_has_its_prefix(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    """This happens when Redis was emptied, and the other deployment reconnected first."""
    server = start_own(REDIS_URL=redis_server.url)
    with redis_server.client() as client:
        client.hset("restaurant:{deployment}:mark", "deployment", "another")

        def unhealthy() -> dict[str, Any] | None:
            answer = server.get("/sse/health")
            return answer.json() if answer.status_code == 503 else None

        health = wait_until(unhealthy, 10)
        assert health is not None
        assert "another deployment" in health["reason"]
        change_the_order(server, "Acknowledged")
        client.delete("restaurant:{deployment}:mark")
    wait_until(lambda: server.get("/sse/health").ok, 10)
    wait_until(lambda: "restaurant_outbox_pending_changes 0.0" in server.get("/metrics").text)


def test_documented_redis_rights_are_enough_and_allow_nothing_else(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    document = (REPOSITORY / "docs/operations/deployment.md").read_text()
    (line,) = re.findall(r"^ *(ACL SETUSER .*)$", document, re.M)
    with redis_server.client() as operator:
        operator.execute_command(*line.split())
        operator.set("another", "secret")
        try:
            _use_everything(start_own, f"redis://restaurant:password@127.0.0.1:{redis_server.port}")
        finally:
            operator.acl_deluser("restaurant")


def _use_everything(start_own: StartServer, url: str) -> None:
    server = start_own(REDIS_URL=url, WEB_CONCURRENCY=2)
    guest = server.listen_session("table-7")
    change_the_order(server, "Acknowledged")
    place = guest.next("order_update").id
    assert guest.next("cache_refresh").data["affectedData"] == ["orders", "analytics"]
    change_the_order(server, "InProgress")
    again = server.listen_session("table-7", last_event_id=place)
    assert again.of_type("connection")[0].data["resumed"] is True
    while again.next("order_update").data["status"] != "InProgress":
        pass
    wait_until(lambda: server.open_streams() == 2)
    assert server.get("/sse/health").json()["cacheRefresh"]["pending"] is not None
    assert Figures.of(server).value("broker_up") == 1
    guest.close()
    again.close()
    server.stop()
    assert "NOPERM" not in server.log
    assert "maxmemory-policy" not in server.log

    with redis.Redis.from_url(url) as service:
        for command in ("GET another", "DEL another", "FLUSHALL", "KEYS *", "CONFIG GET *"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                service.execute_command(*command.split())
        with pytest.raises(redis.exceptions.NoPermissionError):
            service.publish("another", "x")


def test_health_counts_the_refreshes_of_every_worker(
    start_own: StartServer, redis_server: RedisServer
) -> None:
    """One process made the changes, and both report the same counts."""
    first = start_own(REDIS_URL=redis_server.url)
    second = start_own(REDIS_URL=redis_server.url, DATABASE_URL=first.database_url)
    change_the_order(first, "Acknowledged")

    def refreshes(server: ServiceServer) -> dict[str, Any]:
        report = server.get("/sse/health").json()["cacheRefresh"]
        assert report["sent"] == 2
        return dict(report)

    both = [wait_until(partial(refreshes, server)) for server in (first, second)]
    assert both[0] == both[1]
    assert both[0]["triggers"] == 4
    assert both[0]["byPriority"]["high"] == {"triggers": 2, "sent": 2}
