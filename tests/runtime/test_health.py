"""Health, liveness and readiness of a process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from runtime.write_probe import KEPT_SECONDS
from tests.api.calling import close_app, open_app
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.waiting import wait_until


def is_ready(server: ServiceServer) -> bool:
    return server.get("/health/ready", timeout=3).status_code == 200


# --- through a real server


def test_health_is_public_and_not_cached(server: ServiceServer) -> None:
    for path, answer in (("/health/live", "alive"), ("/health/ready", "ready")):
        response = server.get(path)
        assert response.status_code == 200
        assert response.json() == {"status": answer}
        assert response.headers["Cache-Control"] == "no-store"


def unhealthy_reason(server: ServiceServer) -> str:
    """Return the reason that ``/sse/health`` reports; empty if it is healthy."""
    response = server.get("/sse/health", timeout=3)
    assert response.status_code == (200 if response.json()["status"] == "healthy" else 503)
    return str(response.json().get("reason", ""))


@pytest.mark.long
@pytest.mark.postgres
def test_a_process_stays_ready_without_the_database_and_reports_what_is_wrong(
    start_server: Callable[..., ServiceServer],
    postgres_server: PostgresServer,
    seeded_postgres_url: str,
) -> None:
    """Otherwise a load balancer would remove every process at once, with all open streams."""
    server = start_server(DATABASE_URL=seeded_postgres_url)
    server.expected_errors.append("cannot be used")
    stream = server.listen_session("table-7")

    postgres_server.stop()
    wait_until(lambda: "database" in unhealthy_reason(server), KEPT_SECONDS + 5)
    assert is_ready(server)
    assert server.get("/health/live").status_code == 200
    assert not stream.has_ended

    postgres_server.start()
    wait_until(lambda: not unhealthy_reason(server), KEPT_SECONDS + 5)


def test_heartbeats_and_reads_continue_while_another_process_holds_the_write_lock(
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(SSE_HEARTBEAT_SECONDS=0.2)
    stream = server.listen_session("table-7")
    anna = server.token("waiter", "anna")

    def move(status: str) -> int:
        return server.request(
            "PATCH", "/api/orders/ord-1", token=anna, json={"status": status}, timeout=30
        ).status_code

    with (
        closing(sqlite3.connect(server.directory / "restaurant.db", isolation_level=None)) as other,
        ThreadPoolExecutor() as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        moves = [pool.submit(move, status) for status in ("Acknowledged", "InProgress")]
        for _ in range(5):
            stream.next("heartbeat", timeout=3)
            assert server.get("/health/live", timeout=3).status_code == 200
            assert server.get("/api/sessions/table-7", token=anna, timeout=3).status_code == 200
        assert not any(each.done() for each in moves)
        other.execute("ROLLBACK")
        assert {each.result() for each in moves} <= {200, 409}


@pytest.mark.redis
@pytest.mark.parametrize(("leave", "return_"), [("stop", "start"), ("freeze", "thaw")])
def test_a_process_stays_ready_without_redis_and_changes_succeed(
    start_server: Callable[..., ServiceServer],
    redis_server: RedisServer,
    leave: str,
    return_: str,
) -> None:
    server = start_server(REDIS_URL=redis_server.url)
    stream = server.listen_session("table-7")

    getattr(redis_server, leave)()
    wait_until(lambda: "broker" in unhealthy_reason(server), 10)
    assert is_ready(server)
    assert server.get("/health/live").status_code == 200
    order = {"status": "Acknowledged"}
    anna = server.token("waiter", "anna")
    assert server.request("PATCH", "/api/orders/ord-1", token=anna, json=order).ok
    assert not stream.has_ended

    getattr(redis_server, return_)()
    wait_until(lambda: not unhealthy_reason(server), 10)
    # A Redis that lost its data makes the screen load everything, including the change.
    assert {"orders", "all"} & set(stream.next("cache_refresh").data["affectedData"])


# --- in one process


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/health/live", 200),
        ("/health/ready", 503),
        ("/metrics", 200),
        ("/sse/health", 503),
        ("/api/waiters/anna/floor", 503),
        ("/nope", 404),
    ],
)
def test_a_process_without_tables_is_alive_and_reports_what_is_missing(
    tmp_path: Path, path: str, status: int
) -> None:
    app = open_app(tmp_path, f"sqlite:///{tmp_path / 'empty.db'}")

    answer = app.test_client().get(path)

    assert answer.status_code == status
    if status != 200:
        assert answer.content_type == "application/problem+json"
    if path == "/health/ready":
        assert "db upgrade" in answer.get_json()["detail"]
    close_app(app)


def test_a_process_is_ready_from_its_start_until_it_drains_and_logs_each_change_once(
    seeded_sqlite: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = open_app(tmp_path, copy_sqlite(seeded_sqlite, tmp_path))
    client = app.test_client()
    assert client.get("/health/ready").status_code == 200

    app.extensions["sse"].refuse_new_streams()
    with caplog.at_level("INFO", "health"):
        for _ in range(2):
            answer = client.get("/health/ready")
            assert answer.status_code == 503
            assert answer.get_json()["detail"] == "this process is about to stop"
    assert caplog.messages == ["not ready"]
    close_app(app)
