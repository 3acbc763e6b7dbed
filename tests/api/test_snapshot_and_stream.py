"""No change is lost between a snapshot and the stream that continues from it."""

import threading
import time
from functools import partial

import pytest
from flask import Flask

from api.blueprint import create_blueprint
from api.cursors import UNKNOWN_CURSOR, Cursors
from api.join_desk import JoinDesk
from api.operation import Services
from notifications.access import auth
from notifications.access.auth import Authenticator
from notifications.access.token_keys import TokenKeys
from notifications.brokers.memory.broker import MemoryBroker
from notifications.brokers.presence import OnlyProcess
from notifications.entrance import problems
from notifications.entrance.entrance import StreamEntrance
from notifications.entrance.rates import RateLimits, Rates
from notifications.errors import BrokerUnavailable
from notifications.events.encoding import EventId
from notifications.streams.service import SseService
from tests.api.calling import Caller
from tests.support.sse_client import SseClient
from tests.support.waiting import wait_until
from waiter_service import FloorQueries, IdempotencyStore, WaiterService, signals
from waiter_service.join_codes import JoinCodes
from waiter_service.revocations import Revocations

OBSERVERS = 3
LOADS = 12

KEYS = TokenKeys("a secret that only the tests use, long enough")


def bare_caller(service, queries, broker, role, subject):
    """Return a caller of the blueprint alone, on ``queries`` and ``broker``."""
    bare = Flask("bare")
    problems.init_app(bare)
    auth.init_app(bare, KEYS)
    database = service.database
    rates = Rates(RateLimits.none())
    desk = JoinDesk(JoinCodes(database, ["a key"]), Revocations(database), rates)
    entrance = StreamEntrance(SseService(broker), Authenticator(KEYS))
    cursors = Cursors(broker, entrance.venues.venue_of)
    services = Services(service, queries, cursors, OnlyProcess(), desk)
    bare.register_blueprint(create_blueprint(services, IdempotencyStore(database), entrance))
    return Caller.who_is(bare, role, subject)


class WatchedBroker(MemoryBroker):
    """A broker that records the channels it is asked for."""

    def __init__(self):
        super().__init__(new_epoch=lambda: "epoch")
        self.asked = []
        self.begun = []

    def known_tip(self, channel):
        self.asked.append(channel)
        return super().known_tip(channel)

    def tip(self, channel):
        self.begun.append(channel)
        return super().tip(channel)


class ReadThenChanged(FloorQueries):
    """Queries after which something changes at the table at once."""

    def session_snapshot(self, *args, **options):
        return self._and_then(super().session_snapshot(*args, **options))

    def waiter_floor(self, *args, **options):
        return self._and_then(super().waiter_floor(*args, **options))

    def _and_then(self, snapshot):
        WaiterService(self._database).update_order_status("ord-1", "Acknowledged")
        return snapshot


SNAPSHOTS = pytest.mark.parametrize(
    ("path", "channel"),
    [
        ("/api/sessions/table-7", "main:session:table-7"),
        ("/api/waiters/anna/floor", "main:waiter:anna"),
    ],
)


@SNAPSHOTS
@pytest.mark.parametrize("events_before", [0, 1])
def test_a_change_right_after_the_reading_comes_after_the_cursor(
    service, path, channel, events_before
):
    """This change would be lost if the cursor were taken after the reading."""
    broker = WatchedBroker()
    for number in range(events_before):
        broker.publish([channel], b"data: before\n", key=f"before {number}")

    def announce(_sender, *, change):
        broker.publish([channel], f"data: {change.new}\n".encode(), key="the change")

    queries = ReadThenChanged(service.database)
    anna = bare_caller(service, queries, broker, "waiter", "anna")
    with signals.order_status_changed.connected_to(announce):
        snapshot = anna.get(path).json

    table = snapshot["sessions"][-1] if "sessions" in snapshot else snapshot
    assert table["orders"][0]["status"] == "New"
    cursor = EventId.parse(snapshot["cursor"])
    assert cursor is not None
    followed = broker.read(channel, cursor, 10)
    assert not followed.is_gap
    assert [b"data: Acknowledged" in each.block for each in followed.events] == [True]


@pytest.mark.parametrize(
    ("role", "subject", "path"),
    [
        ("customer", "table-7", "/api/sessions/table-9"),
        ("customer", "table-7", "/api/waiters/anna/floor"),
        ("waiter", "anna", "/api/waiters/ben/floor"),
        ("manager", "mia", "/api/sessions/a%20b"),
    ],
)
def test_the_broker_is_not_asked_on_behalf_of_a_caller_without_access(service, role, subject, path):
    broker = WatchedBroker()
    stranger = bare_caller(service, FloorQueries(service.database), broker, role, subject)

    assert stranger.get(path).status_code in (403, 404)
    assert broker.asked == broker.begun == []


@pytest.mark.parametrize(
    "path", ["/api/sessions/no-such-table", "/api/waiters/no-such-waiter/floor"]
)
def test_unknown_ids_get_no_channel_in_the_broker(service, path):
    broker = WatchedBroker()
    mia = bare_caller(service, FloorQueries(service.database), broker, "manager", "mia")

    assert mia.get(path).status_code == 404
    assert broker.begun == []


@SNAPSHOTS
def test_a_channel_without_events_is_followed_from_its_beginning(service, path, channel):
    broker = WatchedBroker()
    mia = bare_caller(service, FloorQueries(service.database), broker, "manager", "mia")

    assert mia.get(path).json["cursor"] == "epoch-0"
    assert broker.begun == [channel]


@SNAPSHOTS
@pytest.mark.parametrize("question", ["known_tip", "tip"])
def test_a_cursor_made_without_the_broker_makes_the_client_load_everything_again(
    service, path, channel, question
):
    class Away(MemoryBroker):
        pass

    def refuse(_self, _channel):
        raise BrokerUnavailable("redis: connection refused")

    setattr(Away, question, refuse)
    anna = bare_caller(service, FloorQueries(service.database), Away(), "waiter", "anna")

    assert anna.get(path).json["cursor"] == UNKNOWN_CURSOR


def test_a_caller_who_tries_ids_fills_no_memory(app, anna, manager):
    channels = app.extensions["sse"]._broker._channels
    for number in range(20):
        for caller in (anna, manager):
            for path in (f"/api/sessions/probe-{number}", f"/api/waiters/probe-{number}/floor"):
                assert caller.get(path).status_code in (403, 404)
        assert anna.get("/api/sessions/table-9").status_code == 404  # ben's
    assert not channels
    assert anna.get("/api/sessions/table-7").status_code == 200
    assert list(channels) == ["main:session:table-7"]


@pytest.fixture(
    params=[
        "alone",
        pytest.param("on postgres", marks=pytest.mark.postgres),
        pytest.param("in two workers", marks=[pytest.mark.postgres, pytest.mark.redis]),
    ]
)
def busy_server(request):
    # The guest keeps making requests, more of them on a slow machine.
    settings = {"MAX_OPEN_REQUESTS": 1000, "GUEST_CHANGES_PER_MINUTE": 0}
    if request.param != "alone":
        # On PostgreSQL every statement lets other greenlets run.
        settings["DATABASE_URL"] = request.getfixturevalue("seeded_postgres_url")
    if request.param == "in two workers":
        # One worker reads while the other changes and announces.
        redis_url = request.getfixturevalue("redis_server").url
        settings |= {"REDIS_URL": redis_url, "WEB_CONCURRENCY": 2}
    # Requested last, so that it is torn down first.
    return request.getfixturevalue("start_server")(**settings)


class Writers:
    """Change things at table 7 as fast as they can: over HTTP, and from another process."""

    def __init__(self, server):
        self.server = server
        self.changes = 0
        self.failures = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(turn,))
            for turn in (self._move("requests/req-1"), self._move("orders/ord-1"), self._ask())
        ]
        self._threads.append(threading.Thread(target=self._run, args=(self._from_elsewhere(),)))

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _run(self, turns):
        try:
            for _ in turns:
                self.changes += 1
                if self._stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - the test asserts that there is none
            self.failures.append(error)

    def _move(self, what):
        token = self.server.token("waiter", "anna")
        while True:
            for status in ("Acknowledged", "New"):
                answer = self.server.request(
                    "PATCH", f"/api/{what}", token=token, json={"status": status}
                )
                assert answer.status_code == 200, answer.text
                yield

    def _ask(self):
        token = self.server.token("customer", "table-7")
        for number in range(1_000_000):
            answer = self.server.post(
                "/api/sessions/table-7/requests", token=token, json={"kind": f"wish {number}"}
            )
            assert answer.status_code == 201, answer.text
            yield
            time.sleep(0.05)  # each request makes the snapshots larger

    def _from_elsewhere(self):
        self.server.service.place_order(
            "table-7", [{"name": "Tea", "quantity": 1}], order_id="ord-2"
        )
        while True:
            for status in ("Acknowledged", "New"):
                self.server.service.update_order_status("ord-2", status)
                yield
                time.sleep(0.01)


SCREENS = {
    "guest": ("customer", "table-7", "/api/sessions/table-7"),
    "waiter": ("waiter", "anna", "/api/waiters/anna/floor"),
}


class Observer:
    """A screen that loads snapshots, then opens a stream from the last one and follows it."""

    def __init__(self, server, kind):
        role, self.subject, path = SCREENS[kind]
        token = server.token(role, self.subject)
        self.load = lambda: server.get(path, token=token).json()
        self.listen = server.listen_session if kind == "guest" else server.listen_waiter
        self.snapshots = []
        self.stream: SseClient

    def run(self, pause_seconds):
        self.snapshots = [self.load() for _ in range(LOADS)]
        time.sleep(pause_seconds)
        self.stream = self.listen(self.subject, last_event_id=self.snapshots[-1]["cursor"])

    def shows(self, versions_and_statuses):
        """Return whether these are on the screen."""
        return self.shown() == versions_and_statuses

    def shown(self):
        """Return what the screen shows: the snapshot, updated by newer events."""
        shown = versions(self.snapshots[-1])
        for thing, told in updates(self.stream).items():
            shown[thing] = max([shown.get(thing, (0, "")), *told])
        return shown


def versions(snapshot):
    """Return version and status of all things in a snapshot."""
    tables = snapshot.get("sessions", [snapshot])
    return {
        ticket["id"]: (ticket["version"], ticket["status"])
        for table in tables
        for ticket in (*table["requests"], *table["orders"])
    }


def updates(stream, after=0):
    """Return each thing's versions and statuses, in the order of the stream."""
    told: dict[str, list[tuple[int, str]]] = {}
    for event in list(stream.events):
        if event.type in ("request_update", "order_update") and offset(event.id) > after:
            thing = event.data.get("requestId") or event.data["orderId"]
            told.setdefault(thing, []).append((event.data["version"], event.data["status"]))
    return told


def offset(event_id):
    return int(event_id.rpartition("-")[2])


def assert_no_gap(snapshot, told):
    """Assert that each thing's versions rise by one, starting at or before the snapshot's."""
    shown = versions(snapshot)
    for thing, each in told.items():
        numbers = [version for version, _ in each]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), thing
        assert numbers[0] <= shown.get(thing, (0, ""))[0] + 1, thing


@pytest.mark.parametrize("kind", SCREENS)
def test_snapshot_and_stream_miss_no_change_under_constant_changes(busy_server, kind):
    recorder = Observer(busy_server, kind)
    recorder.run(0)
    observers = [Observer(busy_server, kind) for _ in range(OBSERVERS)]
    with Writers(busy_server) as writers:
        threads = [
            threading.Thread(target=each.run, args=(number * 0.1,))
            for number, each in enumerate(observers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert not writers.failures

    final = versions(recorder.load())
    for observer in (recorder, *observers):
        wait_until(partial(observer.shows, final), 10, "the screen is behind")
        assert observer.stream.events[0].data["resumed"] is True
        assert_no_gap(observer.snapshots[-1], updates(observer.stream))
        for event in observer.stream.of_type("cache_refresh"):
            assert event.data["affectedData"] != ["all"]
        for snapshot in observer.snapshots:
            assert_no_gap(snapshot, updates(recorder.stream, offset(snapshot["cursor"])))
