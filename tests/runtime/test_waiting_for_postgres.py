"""A greenlet that waits for PostgreSQL does not block others, in the service as deployed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.support.postgres_server import PostgresServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import stays_true, wait_until

pytestmark = pytest.mark.postgres

WORKER_TIMEOUT_SECONDS = 3
# Long enough that gunicorn would kill a worker that is stuck.
FROZEN_SECONDS = 2 * WORKER_TIMEOUT_SECONDS


def test_a_locked_row_delays_only_calls_that_need_it(
    seeded_postgres_url: str, start_server: Callable[..., ServiceServer]
) -> None:
    server = start_server(DATABASE_URL=seeded_postgres_url)
    anna, ben = server.token("waiter", "anna"), server.token("waiter", "ben")
    elsewhere = server.listen_session("table-9")

    with (
        ThreadPoolExecutor(1) as side,
        psycopg.connect(seeded_postgres_url) as other,
        psycopg.connect(seeded_postgres_url, autocommit=True) as watch,
    ):
        other.execute("SELECT 1 FROM sessions WHERE id = 'table-7' FOR UPDATE")
        held_up = side.submit(
            server.request,
            "PATCH",
            "/api/requests/req-1",
            token=anna,
            json={"status": "Acknowledged"},
        )
        wait_until(
            lambda: watch.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ).fetchall(),
            message="the change does not wait for the row",
        )

        assert server.get("/health/live").ok
        asked = server.post("/api/sessions/table-9/requests", token=ben, json={"kind": "water"})
        assert asked.status_code == 201
        assert elsewhere.next("request_update").data["status"] == "New"
        assert not held_up.done(), "the row is not locked any more"

        other.rollback()
        assert held_up.result(10).status_code == 200


def test_a_frozen_database_costs_no_worker_and_no_stream(
    postgres_server: PostgresServer,
    seeded_postgres_url: str,
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(start=False, DATABASE_URL=seeded_postgres_url, SSE_HEARTBEAT_SECONDS=0.2)
    server.command += ["--timeout", str(WORKER_TIMEOUT_SECONDS)]
    server.start()
    workers = server.worker_pids
    guest = server.listen_session("table-7")

    postgres_server.freeze()
    try:
        with ThreadPoolExecutor(1) as side:
            late = side.submit(
                server.request,
                "PATCH",
                "/api/requests/req-1",
                token=server.token("waiter", "anna"),
                json={"status": "Acknowledged"},
                timeout=FROZEN_SECONDS + 20,
            )
            beats = len(guest.of_type("heartbeat"))
            stays_true(
                lambda: server.get("/health/live", timeout=2).ok and not guest.has_ended,
                FROZEN_SECONDS,
            )
            assert len(guest.of_type("heartbeat")) > beats
            postgres_server.thaw()
            assert late.result(20).status_code == 200
    finally:
        postgres_server.thaw()

    assert guest.next("request_update").data["status"] == "Acknowledged"
    assert server.worker_pids == workers
    assert "WORKER TIMEOUT" not in server.log
