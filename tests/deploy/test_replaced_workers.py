"""A worker that dies at a bad moment does not end the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.support.postgres_server import PostgresServer
from tests.support.programs import connections
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import stays_true, wait_until


@pytest.mark.redis
@pytest.mark.postgres
def test_a_worker_replaced_while_the_database_is_unavailable_waits_for_it(
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    seeded_postgres_url: str,
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(
        DATABASE_URL=seeded_postgres_url, REDIS_URL=redis_server.url, WEB_CONCURRENCY=2
    )
    server.expected_errors += ["SIGKILL", "cannot be used"]
    master = server.pid
    streams = [server.listen_waiter("anna") for _ in range(8)]
    doomed, survivor = sorted(server.worker_pids, key=lambda pid: connections(pid, server.port))
    kept = connections(survivor, server.port)

    postgres_server.stop()
    os.kill(doomed, signal.SIGKILL)

    wait_until(lambda: "waits for the database" in server.log, 10)
    # Long enough for the master to give up.
    stays_true(lambda: server.is_running and survivor in server.worker_pids, 2)
    assert server.pid == master
    assert kept == connections(survivor, server.port) > 0
    assert server.log.count("waits for the database") == 1

    postgres_server.start()
    wait_until(lambda: server.get("/health/ready").status_code == 200, 15)
    server.service.update_request_status("req-1", "Acknowledged")
    back = [server.listen_waiter("anna") for _ in range(8)]
    assert len(server.worker_pids) == 2
    server.service.update_request_status("req-1", "InProgress")
    for stream in [*back, *(each for each in streams if not each.has_ended)]:
        while stream.next("request_update").data["status"] != "InProgress":
            pass


@pytest.mark.postgres
def test_a_worker_that_waits_for_the_database_can_be_stopped(
    postgres_server: PostgresServer,
    seeded_postgres_url: str,
    start_server: Callable[..., ServiceServer],
) -> None:
    server = start_server(DATABASE_URL=seeded_postgres_url)
    server.expected_errors += ["SIGKILL"]
    postgres_server.stop()
    os.kill(server.worker_pids[0], signal.SIGKILL)
    wait_until(lambda: "waits for the database" in server.log, 10)
    server.stop()
