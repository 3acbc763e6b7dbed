"""After the database goes back in time, every screen is told once and follows later changes."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command_line import flask
from tests.support.programs import find_program
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.sse_client import SseClient
from waiter_service import Database
from waiter_service.store.marks import MARKS_KEPT, Marks

StartServer = Callable[..., ServiceServer]


def move(server: ServiceServer, status: str) -> int:
    """Move the demo's order to ``status`` and return its version."""
    answer = server.request(
        "PATCH", "/api/orders/ord-1", token=server.token("waiter", "anna"), json={"status": status}
    )
    assert answer.ok, answer.text
    version: int = answer.json()["version"]
    return version


def assert_told_once(
    stream: SseClient, server: ServiceServer, status: str, *, times: int = 1
) -> None:
    """Assert that one "load everything" arrives, then the next change, and nothing else.

    ``times`` is how often the client has been told to load everything by then.
    """
    assert stream.next("cache_refresh").data["affectedData"] == ["all"]
    version = move(server, status)
    update = stream.next("order_update").data
    assert (update["status"], update["version"]) == (status, version)
    assert stream.next("cache_refresh").data["affectedData"] == ["orders", "analytics"]
    refreshes = [each.data["affectedData"] for each in stream.of_type("cache_refresh")]
    assert refreshes.count(["all"]) == times


def assert_resumes_with_a_resync(server: ServiceServer, last_event_id: str | None) -> SseClient:
    """Assert that a client that reconnects is told to load everything."""
    stream = server.listen_session("table-7", last_event_id=last_event_id)
    assert stream.events[0].data["resumed"] is False
    return stream


def test_after_a_restore_a_returning_client_loads_everything_and_follows_lower_versions(
    server: ServiceServer,
) -> None:
    saved = server.directory / "saved.db"
    guest = server.listen_session("table-7")
    assert flask(server, "db", "backup", str(saved)).returncode == 0
    for status in ("Acknowledged", "InProgress", "Complete"):
        move(server, status)
        guest.next("order_update")
    place = guest.last_event_id
    # An orderly stop, so that the history is handed over.
    server.stop()
    assert flask(server, "db", "restore", str(saved)).returncode == 0
    server.start()

    guest = assert_resumes_with_a_resync(server, place)
    assert_told_once(guest, server, "Acknowledged")
    assert "the database went back in time" in server.log


def test_a_restart_without_a_restore_costs_nothing(server: ServiceServer) -> None:
    guest = server.listen_session("table-7")
    move(server, "Acknowledged")
    guest.next("cache_refresh")
    place = guest.last_event_id
    server.stop()
    move_by_script = flask(server, "waiter", "order-status", "ord-1", "InProgress")
    assert move_by_script.returncode == 0
    server.start()
    guest = server.listen_session("table-7", last_event_id=place)
    assert guest.events[0].data["resumed"] is True
    assert guest.next("order_update").data["status"] == "InProgress"
    assert "went back" not in server.log


def test_a_database_restored_under_a_running_process_resyncs_open_streams_once(
    server: ServiceServer, seeded_sqlite: Path
) -> None:
    guest, anna = server.listen_session("table-7"), server.listen_waiter("anna")
    for status in ("Acknowledged", "InProgress"):
        move(server, status)
    for stream in (guest, anna):
        stream.next("order_update")
        stream.next("cache_refresh")
    place = guest.last_event_id
    with (
        closing(sqlite3.connect(seeded_sqlite)) as old,
        closing(sqlite3.connect(server.directory / "restaurant.db")) as live,
    ):
        old.backup(live)
    assert anna.next("cache_refresh").data["affectedData"] == ["all"]
    assert_told_once(guest, server, "Acknowledged")
    assert_resumes_with_a_resync(server, place)


def test_a_session_closed_since_the_backup_is_open_again_for_its_guests(
    server: ServiceServer, seeded_sqlite: Path
) -> None:
    anna = server.listen_waiter("anna")
    guest = server.listen_session("table-5")
    server.service.close_session("table-5")
    guest.next("closing")
    with (
        closing(sqlite3.connect(seeded_sqlite)) as old,
        closing(sqlite3.connect(server.directory / "restaurant.db")) as live,
    ):
        old.backup(live)
    while "all" not in anna.next("cache_refresh").data["affectedData"]:
        pass
    assert server.listen_session("table-5").status == 200


@pytest.mark.long
@pytest.mark.redis
def test_with_redis_the_streams_of_all_processes_are_resynced_once(
    start_server: StartServer, redis_server: RedisServer, seeded_sqlite: Path
) -> None:
    first = start_server(REDIS_URL=redis_server.url, WEB_CONCURRENCY=2)
    streams = [first.listen_session("table-7") for _ in range(6)]
    for status in ("Acknowledged", "InProgress"):
        move(first, status)
    for stream in streams:
        stream.next("order_update")
        stream.next("cache_refresh")
    place = streams[0].last_event_id
    first.stop()
    database = first.directory / "restaurant.db"
    shutil.copyfile(seeded_sqlite, database)
    first.start()
    for _ in range(4):
        stream = assert_resumes_with_a_resync(first, place)
    assert_told_once(stream, first, "Acknowledged")

    move(first, "InProgress")
    stream.next("order_update")
    stream.next("cache_refresh")
    with closing(sqlite3.connect(seeded_sqlite)) as old, closing(sqlite3.connect(database)) as live:
        old.backup(live)
    assert_told_once(stream, first, "Acknowledged", times=2)


@pytest.fixture
def postgres_program() -> Callable[..., None]:
    """Run one of PostgreSQL's own tools."""

    def run(name: str, *words: str) -> None:
        subprocess.run([find_program(name), *words], check=True, capture_output=True, timeout=60)

    return run


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.postgres
def test_a_dump_restored_under_running_processes_resyncs_every_stream_once(
    seeded_postgres_url: str,
    start_server: StartServer,
    redis_server: RedisServer,
    postgres_program: Callable[..., None],
    tmp_path: Path,
) -> None:
    server = start_server(
        DATABASE_URL=seeded_postgres_url, REDIS_URL=redis_server.url, WEB_CONCURRENCY=2
    )
    dump = str(tmp_path / "restaurant.dump")
    guests = [server.listen_session("table-7") for _ in range(6)]
    postgres_program(
        "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={seeded_postgres_url}"
    )
    for status in ("Acknowledged", "InProgress"):
        move(server, status)
    for guest in guests:
        guest.next("order_update")
        guest.next("cache_refresh")
    place = guests[0].last_event_id
    postgres_program(
        *("pg_restore", "--clean", "--if-exists", "--single-transaction"),
        *(f"--dbname={seeded_postgres_url}", dump),
    )
    for guest in guests[1:]:
        assert guest.next("cache_refresh").data["affectedData"] == ["all"]
    assert_told_once(guests[0], server, "Acknowledged")
    assert_resumes_with_a_resync(server, place)


def test_a_mark_is_known_until_many_newer_ones_exist(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'restaurant.db'}")
    database.upgrade()
    marks = Marks(database)
    first, second = marks.write(), marks.write()
    assert marks.find({first, second, "another"}).known_marks == {first, second}
    for _ in range(MARKS_KEPT - 1):
        marks.write()
    assert marks.find({first, second}).known_marks == {second}
    database.dispose()
