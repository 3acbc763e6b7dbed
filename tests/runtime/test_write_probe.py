"""The write probe, seen through the health page, the metrics and the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runtime.write_probe import KEPT_SECONDS, WriteProbe
from tests.support.metrics import Figures
from tests.support.postgres_server import PostgresServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until
from waiter_service.errors import DatabaseUnavailable


class Database:
    """Counts the writes, and fails on demand."""

    def __init__(self) -> None:
        self.writes = 0
        self.failure: Exception | None = None

    def write(self) -> None:
        self.writes += 1
        if self.failure is not None:
            raise self.failure


def test_the_write_probe_writes_at_most_every_ten_seconds() -> None:
    database, now = Database(), [100.0]
    probe = WriteProbe(database.write, clock=lambda: now[0])
    for _ in range(5):
        assert probe.obstacle() is None
    assert database.writes == 1

    database.failure = DatabaseUnavailable("the disk is full")
    now[0] += KEPT_SECONDS - 0.1
    assert probe.obstacle() is None
    now[0] += 0.1
    for _ in range(5):
        assert probe.obstacle() == "the disk is full"
    assert database.writes == 2

    database.failure = None
    now[0] += KEPT_SECONDS
    assert probe.obstacle() is None


@pytest.mark.postgres
@pytest.mark.long
def test_a_read_only_server_is_reported_and_each_change_can_be_tried_again(
    start_server: Callable[..., ServiceServer],
    postgres_server: PostgresServer,
    seeded_postgres_url: str,
) -> None:
    server = start_server(DATABASE_URL=seeded_postgres_url)
    server.expected_errors += ["cannot be used", "read-only"]
    anna = server.token("waiter", "anna")

    def acknowledge() -> int:
        answer = server.request(
            "PATCH", "/api/orders/ord-1", token=anna, json={"status": "Acknowledged"}
        )
        if answer.status_code != 200:
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
        return answer.status_code

    postgres_server.refuse_changes()
    try:
        wait_until(lambda: acknowledge() == 503, 5)
        wait_until(lambda: server.get("/sse/health").status_code == 503, KEPT_SECONDS + 5)
        report = server.get("/sse/health").json()
        assert report["database"] == {"kind": "postgresql", "status": "down"}
        assert "read-only" in report["reason"]
        assert Figures.of(server).value("database_writable") == 0
        assert Figures.of(server).value("database_up") == 1
        assert server.get("/health/ready").status_code == 200
    finally:
        postgres_server.refuse_changes(False)
    wait_until(lambda: acknowledge() == 200, 5)
    wait_until(lambda: server.get("/sse/health").ok, KEPT_SECONDS + 5)
    assert Figures.of(server).value("database_writable") == 1
