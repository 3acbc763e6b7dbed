"""A serving process from start to end, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from flask import Flask
from gevent.event import Event as Flag
from sqlalchemy import text

from app import create_app
from notifications.brokers.memory.broker import MemoryBroker
from notifications.errors import ServerDraining
from notifications.publishing.notification_service import NotificationService
from notifications.refresh.service import CacheRefreshService
from notifications.streams.body import StreamBody
from notifications.streams.service import SseService
from runtime.serving import Serving
from runtime.serving_lock import ServingLock, StandingBy
from tests.support.service_server import SECRET, copy_sqlite
from tests.support.streams import ANNA, wait_in_loop
from waiter_service import Change, Database, WaiterService, signals
from waiter_service.errors import DatabaseUnavailable


class Process:
    """An application, with the parts that the tests use."""

    def __init__(self, app: Flask, directory: Path) -> None:
        self.app = app
        self.directory = directory
        self.serving: Serving = app.extensions["serving"]
        self.sse: SseService = app.extensions["sse"]
        self.service: WaiterService = app.extensions["waiter_service"]
        self.cache_refresh: CacheRefreshService = app.extensions["cache_refresh"]
        self.notifications: NotificationService = app.extensions["notifications"]
        self.received = b""
        self._reader: gevent.Greenlet[..., None] | None = None

    def listen(
        self, kind: str = "waiter", channel_id: str = "anna", last_event_id: str | None = None
    ) -> None:
        """Follow a stream, by default anna's. ``received`` holds its events."""
        body = self.sse.open(kind, channel_id, ANNA, last_event_id=last_event_id)
        self._reader = gevent.spawn(self._read, body)
        wait_in_loop(lambda: b"event: connection" in self.received)

    def _read(self, body: StreamBody) -> None:
        for chunk in body:
            self.received += chunk
        body.close()

    @property
    def has_ended(self) -> bool:
        return self._reader is not None and bool(self._reader.dead)

    @property
    def event_types(self) -> list[str]:
        lines = self.received.decode().split("\n")
        return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]

    @property
    def open_streams(self) -> int:
        return sum(self.sse.counts().values())


@pytest.fixture
def new_process(seeded_sqlite: Path, tmp_path: Path) -> Iterator[Process]:
    """A process that has not started yet."""
    app = create_app(
        {
            "INSTANCE_DIR": str(tmp_path),
            "DATABASE_URL": copy_sqlite(seeded_sqlite, tmp_path),
            "JWT_SECRET_KEY": SECRET,
            "SSE_DRAIN_SECONDS": "0.2",
            "LOG_LEVEL": "INFO",
        }
    )
    process = Process(app, tmp_path)
    yield process
    process.serving.stop()
    process.service.database.dispose()


@pytest.fixture
def process(new_process: Process) -> Process:
    new_process.serving.start()
    return new_process


def test_a_start_that_failed_half_way_can_be_repeated(
    new_process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(side_by_side: object = None, *, is_alone: bool = False) -> None:
        raise DatabaseUnavailable("the database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(new_process.service, "start_relaying", fail)
        with pytest.raises(DatabaseUnavailable):
            new_process.serving.start()
    new_process.serving.start()
    assert new_process.service.is_relay


def test_the_history_is_restored_before_the_first_relayed_change_and_saved_after_the_last(
    new_process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def note(owner: type, name: str) -> None:
        original = getattr(owner, name)

        def noting(*args: object, **options: object) -> object:
            steps.append(name)
            return original(*args, **options)

        monkeypatch.setattr(owner, name, noting)

    note(MemoryBroker, "restore")
    note(WaiterService, "start_relaying")
    note(WaiterService, "stop_relaying")
    note(CacheRefreshService, "drain")
    note(MemoryBroker, "save")
    new_process.serving.start()
    new_process.serving.drain()
    assert steps == ["restore", "start_relaying", "stop_relaying", "drain", "save"]


def test_a_standby_process_serves_nothing_until_the_other_has_ended(
    new_process: Process,
) -> None:
    before = MemoryBroker(history_path=new_process.directory / "history.json")
    before.restore()
    place = before.tip("main:waiter:anna")
    other = ServingLock([new_process.directory / "relay.lock"])
    assert other.acquire()
    for path in ("/sse/health", "/health/ready", "/api/sessions/table-7"):
        assert new_process.app.test_client().get(path).status_code == 503
    with pytest.raises(StandingBy):
        new_process.serving.start()
    assert other.is_awaited()
    assert not new_process.service.is_relay

    before.publish(["main:waiter:anna"], b"data: {}\n", key="k-1")
    before.save()
    other.release()
    new_process.serving.start()
    new_process.listen(last_event_id=str(place))
    assert b'"resumed":true' in new_process.received


@pytest.mark.parametrize("database", ["own.db", "restaurant.db"])
def test_two_folders_with_one_sqlite_database_are_served_by_one_process(
    process: Process, tmp_path_factory: pytest.TempPathFactory, database: str
) -> None:
    directory = tmp_path_factory.mktemp("another")
    url = f"sqlite:///{(directory if database == 'own.db' else process.directory) / database}"
    app = create_app(
        {"INSTANCE_DIR": str(directory), "DATABASE_URL": url, "JWT_SECRET_KEY": SECRET}
    )
    another = Process(app, directory)
    another.service.database.upgrade()
    try:
        if database == "own.db":
            another.serving.start()
        else:
            with pytest.raises(StandingBy):
                another.serving.start()
    finally:
        another.serving.stop()
        another.service.database.dispose()


def test_guests_receive_the_last_change_before_their_stream_is_closed(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = WaiterService(Database(str(process.service.database.url)))
    # Like another process: its changes reach no receiver here.
    till.on_commit = lambda changes: None
    flush = process.service.flush
    is_done = Flag()

    def flush_and_then_something_happens() -> int:
        sent = flush()
        if not is_done.is_set():
            is_done.set()
            till.update_order_status("ord-1", "InProgress")
            till.close_session("table-7", force=True, reason="gone")
        return sent

    process.listen("session", "table-7")
    monkeypatch.setattr(process.service, "flush", flush_and_then_something_happens)
    wait_in_loop(lambda: process.has_ended)
    till.database.dispose()
    assert process.event_types == ["connection", "order_update", "cache_refresh", "closing"]


def test_a_drain_sends_pending_events_and_then_the_closing_event(process: Process) -> None:
    process.listen()
    process.service.update_order_status("ord-1", "InProgress")
    process.serving.drain()
    wait_in_loop(lambda: process.has_ended)
    assert process.event_types == ["connection", "order_update", "cache_refresh", "closing"]
    assert b'"code":"draining"' in process.received
    assert process.open_streams == 0


def test_a_change_while_the_process_drains_is_left_to_the_next_process(process: Process) -> None:
    process.listen()
    process.serving.drain()
    process.service.update_order_status("ord-1", "InProgress")
    assert "order_update" not in process.event_types
    assert process.service.pending_count() == 1


def test_a_change_during_the_drain_stays_in_the_outbox_even_with_other_receivers(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver of another component must not take the change from the screens."""
    heard: list[Change] = []

    def receive(_sender: object, *, change: Change) -> None:
        heard.append(change)

    drain = process.cache_refresh.drain

    def change_something_and_drain() -> int:
        process.service.update_order_status("ord-1", "InProgress")
        return drain()

    monkeypatch.setattr(process.cache_refresh, "drain", change_something_and_drain)
    with signals.order_status_changed.connected_to(receive):
        process.serving.drain()
    assert process.service.pending_count() == 1
    assert heard == []


def test_a_drained_process_opens_no_stream_and_reports_it_in_health(process: Process) -> None:
    process.serving.drain()
    with pytest.raises(ServerDraining):
        process.sse.open("waiter", "anna", ANNA)
    assert process.serving.health()["status"] == "draining"


def test_health_reports_the_most_important_reason_first(process: Process) -> None:
    text = process.app.test_client().get("/sse/health").text
    keys = ["status", "timestamp", "activeConnections", "broker", "database", "cacheRefresh"]
    assert list(json.loads(text)) == [*keys, "version"]


def test_concurrent_drains_drain_once(process: Process) -> None:
    process.listen()
    drains = [gevent.spawn(process.serving.drain) for _ in range(3)]
    gevent.joinall(drains, timeout=5, raise_error=True)
    assert all(drain.successful() for drain in drains)
    assert process.event_types.count("closing") == 1


def test_streams_are_closed_even_if_the_history_cannot_be_saved(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    (process.directory / "history.new").mkdir()  # in the way
    process.listen()
    process.serving.drain()
    wait_in_loop(lambda: process.has_ended)
    assert process.event_types[-1] == "closing"
    assert "history.new" in caplog.text


def test_streams_are_closed_even_without_the_database(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.listen()
    with process.service.database.writing() as orm:
        orm.execute(text("DROP TABLE outbox"))
    process.serving.drain()
    wait_in_loop(lambda: process.has_ended)
    assert process.event_types[-1] == "closing"
    assert "outbox" in caplog.text


@pytest.mark.parametrize("end", [Serving.drain, Serving.stop])
def test_a_failing_shutdown_step_does_not_delay_the_others_or_the_server(
    process: Process,
    end: Callable[[Serving], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    process.listen()
    monkeypatch.setattr(process.cache_refresh, "drain", fail)
    monkeypatch.setattr(process.cache_refresh, "stop", fail)
    end(process.serving)
    with gevent.Timeout(5):
        process.serving.drain()  # the server does the same before the process ends
    wait_in_loop(lambda: process.has_ended)
    assert process.event_types[-1] == "closing"
    assert (process.directory / "history.json").exists(), "the next process continues with it"
    assert "a bug" in caplog.text
    monkeypatch.undo()
    process.cache_refresh.stop()


def test_a_second_stop_does_nothing(process: Process) -> None:
    process.listen()
    process.serving.stop()
    process.serving.stop()
    wait_in_loop(lambda: process.has_ended)
    assert process.open_streams == 0
