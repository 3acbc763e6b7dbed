"""Whether it lives, and whether to send clients to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from health import Readiness
from notifications.brokers.base import BrokerStatus
from notifications.brokers.memory import MemoryBroker
from notifications.sse_service import SseService
from tests.api.calling import close_app, open_app
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.waiting import wait_until
from waiter_service import Database


def is_ready(server: ServiceServer) -> bool:
    return server.get("/health/ready", timeout=3).status_code == 200


def assert_unready(server: ServiceServer, reason: str) -> None:
    response = server.get("/health/ready", timeout=3)
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/problem+json"
    assert reason in response.json()["detail"]


# --- through a real server


def test_anyone_may_ask_and_no_cache_may_answer(server: ServiceServer) -> None:
    for path, answer in (("/health/live", "alive"), ("/health/ready", "ready")):
        response = server.get(path)
        assert response.status_code == 200
        assert response.json() == {"status": answer}
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.postgres
def test_it_is_unready_but_alive_while_the_database_is_away(
    start_server: Callable[..., ServiceServer],
    postgres_server: PostgresServer,
    seeded_postgres_url: str,
) -> None:
    server = start_server(DATABASE_URL=seeded_postgres_url)
    server.expected_errors.append("cannot be used")
    stream = server.listen_session("table-7")
    assert is_ready(server)

    postgres_server.stop()
    assert_unready(server, "database")
    assert server.get("/health/live").status_code == 200
    assert not stream.has_ended

    postgres_server.start()
    wait_until(lambda: is_ready(server), 10)


def test_it_goes_on_beating_and_reading_while_another_process_writes_for_long(
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
def test_it_is_unready_but_alive_while_redis_is_away(
    start_server: Callable[..., ServiceServer],
    redis_server: RedisServer,
    leave: str,
    return_: str,
) -> None:
    server = start_server(REDIS_URL=redis_server.url)
    stream = server.listen_session("table-7")
    assert is_ready(server)

    getattr(redis_server, leave)()
    wait_until(lambda: not is_ready(server), 10)
    assert_unready(server, "broker")
    assert server.get("/health/live").status_code == 200
    assert not stream.has_ended

    getattr(redis_server, return_)()
    wait_until(lambda: is_ready(server), 10)
    assert server.get("/health/live").status_code == 200


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
def test_without_its_tables_it_is_alive_and_says_what_it_cannot(
    tmp_path: Path, path: str, status: int
) -> None:
    app = open_app(tmp_path, f"sqlite:///{tmp_path / 'empty.db'}")

    answer = app.test_client().get(path)

    assert answer.status_code == status
    if status != 200:
        assert answer.content_type == "application/problem+json"
    if path == "/health/ready":
        assert "db upgrade" in answer.json["detail"]
    close_app(app)


class LostBroker(MemoryBroker):
    """A broker that cannot be reached."""

    def status(self) -> BrokerStatus:
        return BrokerStatus("redis", is_up=False, detail="connection refused")


@pytest.fixture
def database(seeded_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    database = Database(copy_sqlite(seeded_sqlite, tmp_path))
    yield database
    database.dispose()


def readiness_of(database: Database, broker: MemoryBroker) -> tuple[Readiness, SseService]:
    sse = SseService(broker)
    return Readiness(sse=sse, broker=broker, database=database), sse


def test_draining_process_is_unready(database: Database) -> None:
    readiness, sse = readiness_of(database, MemoryBroker())
    assert readiness.obstacle() is None
    sse.refuse_new_streams()
    assert readiness.obstacle() == "this process is about to stop"


def test_lost_broker_is_named_with_its_reason(database: Database) -> None:
    readiness, _ = readiness_of(database, LostBroker())
    assert readiness.obstacle() == "the broker is away: connection refused"


@pytest.mark.parametrize(
    ("revision", "is_fit"),
    [
        ("0001", False),
        # A newer release is rolling out: we go on until it replaces us.
        ("9999", True),
    ],
)
def test_tables_may_be_ahead_but_not_behind(
    database: Database, revision: str, is_fit: bool
) -> None:
    readiness, _ = readiness_of(database, MemoryBroker())
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    assert (readiness.obstacle() is None) == is_fit


def test_change_is_logged_once(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    readiness, sse = readiness_of(database, MemoryBroker())
    sse.refuse_new_streams()
    with caplog.at_level("INFO", "health"):
        readiness.obstacle()
        readiness.obstacle()
    assert caplog.messages == ["not ready"]
