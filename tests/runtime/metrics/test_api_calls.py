"""The metrics of API calls: number, outcome and duration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runtime.metrics import api_calls
from tests.support.metrics import Figures
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.waiting import wait_until

CALLS, SECONDS = "api_calls_total", "api_call_seconds_count"


@pytest.fixture(scope="module")
def server(
    seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceServer]:
    directory = tmp_path_factory.mktemp("server")
    server = ServiceServer(directory, copy_sqlite(seeded_sqlite, directory))
    server.start()
    yield server
    server.close()


def test_calls_are_counted_by_route_and_outcome(server: ServiceServer) -> None:
    anna = server.token("waiter", "anna")
    for _ in range(3):
        server.get("/api/sessions/table-7", token=anna)
    server.get("/api/sessions/another", token=anna)
    server.get("/api/waiters/anna/floor")
    figures = Figures.of(server)
    route = "/api/sessions/<sessionId>"
    assert figures.value(CALLS, route=route, method="GET", status="200") == 3
    assert figures.value(CALLS, route=route, method="GET", status="404") == 1
    assert figures.value(SECONDS, route=route) == 4
    assert figures.value(CALLS, route="/api/waiters/<waiterId>/floor", status="401") == 1
    bucket = "api_call_seconds_bucket"
    assert figures.value(bucket, route=route, le="10.0") == 4


def test_no_input_of_a_client_becomes_a_label(server: ServiceServer) -> None:
    before = len(Figures.of(server).samples)
    for number in range(20):
        server.get(f"/api/none-{number}")
        server.request(f"BREW{number}", "/api/sessions")
    figures = Figures.of(server)
    assert figures.value(CALLS, route=api_calls.OTHER) == 40
    assert len(figures.samples) - before <= 4
    assert "none-1" not in server.get("/metrics").text


def test_the_failure_counters_exist_before_the_first_failure(server: ServiceServer) -> None:
    """Otherwise ``rate()`` would not see the first failure."""
    figures = Figures.of(server)
    for status in ("500", "503"):
        assert figures.value(CALLS, route="/api/orders/<orderId>", status=status) == 0


def test_streams_health_and_metrics_are_not_counted_as_calls(server: ServiceServer) -> None:
    server.listen_waiter("anna", headers={"Origin": "https://elsewhere.example"})
    server.get("/health/live")
    server.get("/sse/static/notifications.js")
    routes = {
        each.labels["route"]
        for each in Figures.of(server).samples
        if each.name == f"restaurant_{CALLS}"
    }
    assert not [route for route in routes if "static" in route or "health/" in route]
    figures = Figures.of(server)
    outcomes = {
        each.labels["status"]
        for each in figures.samples
        if each.labels.get("route") == "/sse/waiter/<path:waiter_id>" and "status" in each.labels
    }
    assert outcomes == {"500", "503"}


def test_a_process_reports_its_memory_files_and_connections(server: ServiceServer) -> None:
    figures = Figures.of(server)
    assert 20e6 < figures.value("memory_bytes") < 500e6
    files = figures.value("open_files")
    assert 5 < files < figures.value("open_files_limit")
    limit = figures.value("database_connections_limit")
    assert 0 <= figures.value("database_connections_in_use") <= limit
    listeners = [server.listen_waiter("anna") for _ in range(20)]
    wait_until(lambda: Figures.of(server).value("open_files") >= files + 20)
    assert len(listeners) == 20


@pytest.mark.redis
def test_workers_are_counted_together(
    start_server: Callable[..., ServiceServer], redis_server: RedisServer
) -> None:
    server = start_server(REDIS_URL=redis_server.url, WEB_CONCURRENCY=2)
    anna = server.token("waiter", "anna")
    for _ in range(30):
        server.get("/api/sessions/table-7", token=anna)
    route = "/api/sessions/<sessionId>"
    # Each worker publishes its figures once a second; the one that answers, at once.
    wait_until(lambda: Figures.of(server).value(CALLS, route=route, status="200") == 30)
    # Two processes, each with its own libraries.
    assert Figures.of(server).value("memory_bytes") > 80e6
