"""The metrics of one worker and of several."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import prometheus_client
import pytest

from notifications import errors
from notifications.brokers.memory.broker import MemoryBroker
from notifications.publishing.notification_service import NotificationService
from notifications.refresh.service import CacheRefreshService
from notifications.streams.service import SseService, StreamOptions
from runtime.metrics.connection_stats import ConnectionStats
from runtime.metrics.metrics import Metrics
from runtime.write_probe import WriteProbe
from tests.support.metrics import Figures
from tests.support.programs import free_port
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.sse_client import SseRefused
from tests.support.streams import RecordingOutlet, make_stream, pass_turn, wait_in_loop
from tests.support.waiting import wait_until
from waiter_service import Database, WaiterService, __version__


class MeasuredStreams:
    """Streams and their metrics, without a server."""

    def __init__(self, database: Database, *, max_pending_events: int = 256) -> None:
        self.broker = MemoryBroker()
        self.sse = SseService(self.broker, StreamOptions(max_pending_events=max_pending_events))
        self.broker.start(self.sse.delivery)
        self.notifications = NotificationService(self.broker)
        self.cache_refresh = CacheRefreshService(self.notifications.publish_refresh)
        self.dropped_log_lines = 0
        self.metrics = Metrics(
            sse=self.sse,
            notifications=self.notifications,
            cache_refresh=self.cache_refresh,
            broker=self.broker,
            service=WaiterService(database),
            writes=WriteProbe(database.write_probe),
            dropped_log_lines=lambda: self.dropped_log_lines,
            connections=ConnectionStats(),
        )

    def open(self, channel: str = "main:session:table-7") -> RecordingOutlet:
        """Open a stream without the HTTP entrance."""
        stream = make_stream(channel)
        self.sse.streams.add(stream)
        self.broker.subscribe(channel)
        return RecordingOutlet(stream)

    def notify(self, occurred_at: datetime | None = None) -> None:
        self.notifications.notify_request_update(
            session_id="table-7",
            waiter_id="anna",
            request_id="req-1",
            table_number=7,
            status="New",
            occurred_at=occurred_at,
        )
        pass_turn()

    @property
    def figures(self) -> Figures:
        return Figures(self.metrics.text().decode())


@pytest.fixture
def database(seeded_sqlite: Path, tmp_path: Path) -> Iterator[Database]:
    database = Database(copy_sqlite(seeded_sqlite, tmp_path))
    yield database
    database.dispose()


@pytest.fixture
def measured(database: Database) -> MeasuredStreams:
    return MeasuredStreams(database)


# --- through a real server


def test_streams_are_counted_by_kind_and_by_close_reason(server: ServiceServer) -> None:
    guest = server.listen_session("table-7")
    server.listen_waiter("anna")
    server.listen_waiter("ben")
    figures = Figures.of(server)
    assert figures.value("streams_open", kind="session") == 1
    assert figures.value("streams_open", kind="waiter") == 2

    guest.close()
    wait_until(lambda: Figures.of(server).value("streams_closed_total", reason="client_gone") == 1)
    figures = Figures.of(server)
    assert figures.value("streams_open", kind="session") == 0
    assert figures.value("streams_opened_total", kind="session") == 1
    assert figures.value("streams_opened_total", kind="waiter") == 2
    assert figures.value("streams_closed_total", reason="draining") == 0


def test_an_event_is_counted_when_published_and_when_written(server: ServiceServer) -> None:
    guest, anna = server.listen_session("table-7"), server.listen_waiter("anna")
    before = Figures.of(server)
    server.service.update_request_status("req-1", "Acknowledged")
    for client in (guest, anna):
        client.next("request_update")
        client.next("cache_refresh")
    after = Figures.of(server)

    def rise(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert rise("events_published_total", type="request_update") == 1
    assert rise("events_delivered_total") == 4
    assert rise("refresh_triggers_total", priority="high") == 2
    assert rise("refresh_batches_total", priority="high") == 2
    assert rise("event_delivery_seconds_count") == 4
    # The outbox is read four times a second.
    assert rise("event_delivery_seconds_bucket", le="2.5") == 4


def test_refused_streams_are_counted_by_cause(start_server: Callable[..., ServiceServer]) -> None:
    server = start_server(SSE_MAX_STREAMS_PER_PRINCIPAL=1)
    server.listen_session("table-7")
    guest, stranger = server.token("customer", "table-7"), server.token("customer", "table-5")
    for token in (guest, stranger, "nonsense", None):
        with pytest.raises(SseRefused):
            server.listen_session("table-7", token=token, headers={"X-Refusals": "status"})

    figures = Figures.of(server)
    assert figures.value("streams_refused_total", cause="too_many_streams") == 1
    assert figures.value("streams_refused_total", cause="not_allowed") == 1
    assert figures.value("streams_refused_total", cause="not_authenticated") == 2


def test_replays_and_resyncs_are_counted(server: ServiceServer) -> None:
    guest = server.listen_session("table-7")
    server.service.update_request_status("req-1", "Acknowledged")
    first = guest.next("request_update")
    guest.next("cache_refresh")
    guest.close()

    server.listen_session("table-7", last_event_id=first.id).next("cache_refresh")
    server.listen_session("table-7", last_event_id="elsewhere-1").next("cache_refresh")

    figures = Figures.of(server)
    assert figures.value("streams_resumed_total") == 1
    assert figures.value("events_replayed_total") == 1
    assert figures.value("resyncs_total", cause="place_unknown") == 1
    assert figures.value("resyncs_total", cause="history_lost") == 0


# --- in one process


@pytest.mark.parametrize(
    "cause",
    sorted({each.cause for each in vars(errors).values() if hasattr(each, "cause")}),
)
def test_every_cause_of_a_refusal_starts_at_zero(measured: MeasuredStreams, cause: str) -> None:
    """A series that begins with its first refusal shows no increase to an alert."""
    assert measured.figures.value("streams_refused_total", cause=cause) == 0


def test_the_metrics_name_the_release(measured: MeasuredStreams) -> None:
    assert measured.figures.value("build_info", version=__version__) == 1


def test_the_metrics_name_no_guest_and_no_waiter(measured: MeasuredStreams) -> None:
    measured.open("main:session:table-7")
    measured.open("main:waiter:anna")
    measured.notify()
    page = measured.metrics.text().decode()
    assert "table-7" not in page
    assert "anna" not in page


def test_a_slow_client_shows_as_the_fullest_mailbox_and_then_as_overflow(
    database: Database,
) -> None:
    measured = MeasuredStreams(database, max_pending_events=3)
    slow, _quick = measured.open(), measured.open()
    slow.is_stalled = True
    for _ in range(3):
        measured.notify()
    assert measured.figures.value("fullest_mailbox_events") == 3
    assert measured.figures.value("mailbox_overflows_total") == 0

    measured.notify()
    assert measured.figures.value("fullest_mailbox_events") == 0
    assert measured.figures.value("mailbox_overflows_total") == 1
    assert measured.figures.value("streams_closed_total", reason="mailbox_full") == 1
    assert measured.figures.value("events_delivered_total") == 4


def test_lost_history_counts_once_per_open_stream(measured: MeasuredStreams) -> None:
    measured.open()
    measured.open()
    measured.broker.begin_again("a restored database", instead_of=None)
    pass_turn()
    assert measured.figures.value("resyncs_total", cause="history_lost") == 2


def test_latency_counts_from_when_it_happened(measured: MeasuredStreams) -> None:
    measured.open()
    measured.notify(datetime.fromtimestamp(time.time() - 20, UTC))
    figures = measured.figures
    assert figures.value("event_delivery_seconds_bucket", le="10.0") == 0
    assert figures.value("event_delivery_seconds_bucket", le="30.0") == 1


def test_the_outbox_is_reported_while_no_process_relays(
    measured: MeasuredStreams, database: Database
) -> None:
    assert measured.figures.value("outbox_pending_changes") == 0
    assert measured.figures.value("outbox_oldest_age_seconds") == 0
    WaiterService(database).update_request_status("req-1", "Acknowledged")
    figures = measured.figures
    assert figures.value("outbox_pending_changes") == 1
    assert figures.value("outbox_oldest_age_seconds") > 0
    assert figures.value("relaying_workers") == 0


def test_the_metrics_answer_without_the_database(measured: MeasuredStreams) -> None:
    assert measured.figures.value("database_up") == 1
    nowhere = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    figures = MeasuredStreams(nowhere).figures
    nowhere.dispose()
    assert figures.value("database_up") == 0
    assert figures.value("streams_open") == 0
    assert "restaurant_outbox_pending_changes" not in figures.names


def test_delivery_to_a_thousand_streams_updates_no_metric(
    measured: MeasuredStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlets = [measured.open() for _ in range(1000)]
    touched: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(prometheus_client.Counter, "inc", lambda *args: touched.append(args))
        patch.setattr(prometheus_client.Gauge, "set", lambda *args: touched.append(args))
        patch.setattr(prometheus_client.Histogram, "observe", lambda *args: touched.append(args))
        measured.notify()
        wait_in_loop(lambda: all(outlet.writes for outlet in outlets))
    assert touched == []

    assert measured.figures.value("events_delivered_total") == 1000
    assert measured.figures.value("event_delivery_seconds_count") == 1


def test_a_process_publishes_its_figures_every_second_and_at_its_end(
    measured: MeasuredStreams,
) -> None:
    def told() -> float:
        # The way another worker reads it, without a call to this one.
        page = prometheus_client.generate_latest(measured.metrics._registry).decode()
        return Figures(page).value("streams_closed_total", reason="failed")

    measured.metrics.start()
    measured.sse.stats.closed["failed"] = 1
    assert told() == 0
    wait_in_loop(lambda: told() == 1)

    measured.sse.stats.closed["failed"] = 2
    measured.metrics.stop()
    assert told() == 2


# --- with Redis


@pytest.mark.redis
def test_the_metrics_answer_without_redis(
    start_server: Callable[..., ServiceServer], redis_server: RedisServer
) -> None:
    server = start_server(REDIS_URL=redis_server.url)
    figures = Figures.of(server)
    assert figures.value("broker_up") == 1
    assert figures.value("refresh_batches_pending") >= 0

    redis_server.freeze()
    wait_until(lambda: Figures.of(server).value("broker_up") == 0, 10)
    with pytest.raises(SseRefused):
        server.listen_session("table-7", headers={"X-Refusals": "status"})
    figures = Figures.of(server)
    assert figures.value("streams_refused_total", cause="history_unavailable") == 1
    assert "restaurant_refresh_batches_pending" not in figures.names

    redis_server.thaw()
    wait_until(lambda: Figures.of(server).value("broker_up") == 1, 10)
    assert Figures.of(server).value("refresh_batches_pending") >= 0


# --- several workers


@pytest.fixture
def two_workers(
    start_server: Callable[..., ServiceServer], redis_server: RedisServer
) -> ServiceServer:
    server = start_server(WEB_CONCURRENCY=2, REDIS_URL=redis_server.url)
    wait_until(lambda: Figures.of(server).value("workers") == 2, 20)
    return server


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.redis
def test_every_worker_reports_the_sum_of_all(two_workers: ServiceServer) -> None:
    for _ in range(10):
        two_workers.listen_session("table-7")

    def agree() -> bool:
        pages = [Figures.of(two_workers) for _ in range(10)]
        return {page.value("streams_open", kind="session") for page in pages} == {10}

    # Each worker publishes its figures once a second.
    wait_until(agree)
    figures = Figures.of(two_workers)
    assert figures.value("streams_opened_total", kind="session") == 10
    assert figures.value("broker_up") == 1
    assert figures.value("relaying_workers") >= 1


@pytest.mark.redis
def test_a_killed_workers_streams_vanish_and_its_counters_stay(two_workers: ServiceServer) -> None:
    clients = [two_workers.listen_session("table-7") for _ in range(10)]
    wait_until(lambda: Figures.of(two_workers).value("streams_opened_total", kind="session") == 10)

    two_workers.expected_errors.append("SIGKILL")
    # The worker with the most open files certainly has streams.
    victim = max(two_workers.worker_pids, key=open_files)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in two_workers.worker_pids and len(two_workers.worker_pids) == 2)
    wait_until(lambda: Figures.of(two_workers).value("workers") == 2, 20)

    left = sum(not client.has_ended for client in clients)
    assert left < 10
    figures = Figures.of(two_workers)
    assert figures.value("streams_open", kind="session") == left
    assert figures.value("streams_opened_total", kind="session") == 10


@pytest.mark.redis
def test_lost_histories_are_counted_and_logged(
    start_server: Callable[..., ServiceServer], redis_server: RedisServer
) -> None:
    server = start_server(REDIS_URL=redis_server.url)
    waiters = [server.listen_waiter(waiter_id) for waiter_id in ("anna", "ben")]
    server.service.update_order_status("ord-1", "InProgress")
    waiters[0].next("order_update")

    with redis_server.client() as client:
        client.flushall()

    for waiter in waiters:
        refresh = waiter.next("cache_refresh", timeout=15)
        while refresh.data["affectedData"] != ["all"]:
            refresh = waiter.next("cache_refresh", timeout=15)
    wait_until(lambda: Figures.of(server).value("histories_lost_total") == 2, 10)
    wait_until(lambda: "histories were lost; their streams load everything again" in server.log, 10)
