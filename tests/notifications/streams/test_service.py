"""Many streams: opening, heartbeats, expiry, draining, counting."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from notifications.brokers.base import Page
from notifications.brokers.memory.broker import MemoryBroker
from notifications.errors import (
    BrokerUnavailable,
    HistoryUnavailable,
    ServerDraining,
    TooManyStreams,
)
from notifications.events.encoding import EventId
from notifications.principal import Principal, Role
from notifications.streams.admission import StreamLimits
from notifications.streams.body import RETRY_MS, StreamBody
from notifications.streams.service import MAX_STREAM_SECONDS, SseService, StreamOptions
from notifications.streams.stream import CloseReason
from tests.support.streams import HEARTBEAT_BODY, wait_in_loop

CHANNEL = "main:waiter:anna"


class FaultyBroker(MemoryBroker):
    """Fails the calls that ``faults`` names."""

    faults: frozenset[str] = frozenset()
    subscribed: frozenset[str] = frozenset()
    on_tip: Callable[[], None] = staticmethod(lambda: None)

    def _fail(self, call: str) -> None:
        if call in self.faults:
            raise BrokerUnavailable("away")

    def subscribe(self, channel: str) -> None:
        self._fail("subscribe")
        super().subscribe(channel)
        self.subscribed |= {channel}

    def unsubscribe(self, channel: str) -> None:
        super().unsubscribe(channel)
        self.subscribed -= {channel}

    def tip(self, channel: str) -> EventId:
        self._fail("tip")
        self.on_tip()
        return super().tip(channel)

    def read(self, channel: str, after: EventId, limit: int) -> Page:
        self._fail("read")
        return super().read(channel, after, limit)

    def sweep(self) -> None:
        if "sweep" in self.faults:
            raise RuntimeError("a bug")
        super().sweep()


class Client:
    """Reads the response of a stream in its own greenlet."""

    def __init__(self, body: StreamBody) -> None:
        self._body = body
        self._received = b""
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        try:
            for chunk in self._body:
                self._received += chunk
        finally:
            self._body.close()

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for block in self._received.decode().split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((lines["event"], json.loads(lines["data"])))
        return found

    @property
    def types(self) -> list[str]:
        return [event_type for event_type, _ in self.events]

    @property
    def has_ended(self) -> bool:
        return bool(self._greenlet.dead)

    def vanish(self) -> None:
        self._greenlet.kill()


class House:
    """A service with its broker. ``listen`` opens a stream and reads it."""

    def __init__(self, **options: Any) -> None:
        self.broker = FaultyBroker()
        self.sse = SseService(self.broker, StreamOptions(**options))
        self.sse.start()
        self.clients: list[Client] = []

    def open(self, expires_at: float = math.inf, **kwargs: Any) -> StreamBody:
        anna = Principal(Role.WAITER, "anna", expires_at=expires_at, issued_at=0.0)
        return self.sse.open("waiter", "anna", anna, **kwargs)

    def listen(self, expires_at: float = math.inf, **kwargs: Any) -> Client:
        client = Client(self.open(expires_at, **kwargs))
        self.clients.append(client)
        wait_in_loop(lambda: client.types)
        return client

    def publish(self, number: int = 1) -> None:
        for _ in range(number):
            key = f"{time.monotonic_ns()}"
            self.broker.publish([CHANNEL], HEARTBEAT_BODY, key=key)

    @property
    def open_streams(self) -> int:
        return sum(self.sse.counts().values())

    def close(self) -> None:
        self.sse.stop()
        for client in self.clients:
            client.vanish()


@pytest.fixture
def build() -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def make(**options: Any) -> House:
        houses.append(House(**options))
        return houses[-1]

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    return build()


# -- opening and closing ------------------------------------------------------------


def test_stream_is_counted_from_its_opening_to_its_end(house: House) -> None:
    client = house.listen()
    house.sse.open("session", "table-7", Principal(Role.MANAGER, "maria", math.inf, 0.0))
    assert house.sse.counts() == {"session": 1, "waiter": 1, "floor": 0, "kitchen": 0}
    client.vanish()
    assert house.sse.counts() == {"session": 1, "waiter": 0, "floor": 0, "kitchen": 0}
    assert house.sse.stats.opened == {"waiter": 1, "session": 1}
    assert house.sse.stats.closed == {"client_gone": 1}


def test_response_that_is_never_read_leaves_no_stream(house: House) -> None:
    house.open().close()
    assert house.open_streams == 0
    assert house.broker.subscribed == frozenset()


def test_channel_is_followed_until_its_last_stream_ends(house: House) -> None:
    first, last = house.listen(), house.listen()
    first.vanish()
    assert house.broker.subscribed == {CHANNEL}
    last.vanish()
    assert house.broker.subscribed == frozenset()


def test_reconnect_times_are_spread_over_the_published_range(house: House) -> None:
    retries = set()
    for _ in range(200):
        body = house.open()
        retries.add(int(next(body).split(b"\n")[0].removeprefix(b"retry: ")))
        body.close()
    assert RETRY_MS == (2000, 5000)
    assert all(2000 <= retry_ms <= 5000 for retry_ms in retries)
    assert len(retries) > 100
    assert max(retries) - min(retries) > 1500


def test_each_stream_has_its_own_id(house: House) -> None:
    ids = {house.listen().events[0][1]["connectionId"] for _ in range(20)}
    assert len(ids) == 20


def test_greeting_says_when_the_stream_will_end(house: House) -> None:
    expires_at = time.time() + 100
    [(_, greeting)] = house.listen(expires_at).events
    assert greeting["expiresAt"].endswith("Z")
    [(_, endless)] = house.listen().events
    assert endless["expiresAt"] > greeting["expiresAt"]
    assert MAX_STREAM_SECONDS == 12 * 3600


def test_bearer_with_enough_streams_is_refused_until_one_ends(
    build: Callable[..., House],
) -> None:
    house = build(limits=StreamLimits(max_streams_per_principal=2))
    first, _ = house.listen(), house.listen()
    with pytest.raises(TooManyStreams):
        house.open()
    first.vanish()
    house.listen()


# -- a broker that fails -------------------------------------------------------------


@pytest.mark.parametrize("call", ["subscribe", "tip"])
def test_stream_is_refused_while_the_broker_is_away_and_leaves_nothing(
    house: House, call: str
) -> None:
    house.broker.faults = frozenset({call})
    for _ in range(20):
        with pytest.raises(HistoryUnavailable) as caught:
            house.open()
        assert caught.value.retry_after_seconds > 0
    assert house.open_streams == 0
    assert house.broker.subscribed == frozenset()

    house.broker.faults = frozenset()
    house.listen()


def test_resume_is_refused_while_the_history_cannot_be_read(house: House) -> None:
    house.broker.faults = frozenset({"read"})
    with pytest.raises(HistoryUnavailable):
        house.open(last_event_id="e1-5")
    assert house.open_streams == 0


def test_history_that_fails_during_a_replay_asks_the_client_to_reconnect(house: House) -> None:
    house.publish(5)
    epoch = house.broker.tip(CHANNEL).epoch
    body = house.open(last_event_id=f"{epoch}-0")
    house.broker.faults = frozenset({"read"})
    client = Client(body)
    wait_in_loop(lambda: client.has_ended)
    assert client.types == ["connection", *["heartbeat"] * 5, "closing"]
    assert client.events[-1][1]["code"] == "failed"
    assert client.events[-1][1]["reconnect"] is True
    assert house.sse.stats.closed == {"failed": 1}
    assert house.open_streams == 0


def test_lost_history_causes_one_resync_of_live_streams(house: House) -> None:
    clients = [house.listen(), house.listen()]
    house.broker.begin_again("a restored database", instead_of=None)
    wait_in_loop(lambda: all(len(client.types) == 2 for client in clients))
    for client in clients:
        assert client.events[1][0] == "cache_refresh"
        assert client.events[1][1]["affectedData"] == ["all"]


# -- ends ------------------------------------------------------------------------------


def test_stream_ends_within_a_second_after_its_token_expires(house: House) -> None:
    expires_at = time.time() + 0.3
    client, other = house.listen(expires_at), house.listen()
    wait_in_loop(lambda: client.has_ended)
    assert 0 <= time.time() - expires_at < 1
    assert client.types == ["connection", "closing"]
    closing = client.events[-1][1]
    assert (closing["code"], closing["reconnect"]) == ("token_expired", True)
    assert not other.has_ended


def test_stream_that_ends_during_its_replay_gives_its_reason(house: House) -> None:
    house.publish(5)
    epoch = house.broker.tip(CHANNEL).epoch
    body = house.open(last_event_id=f"{epoch}-0")
    greeting = next(body)
    house.sse.streams.close_where(lambda stream: True, CloseReason.TOKEN_EXPIRED)
    client = Client(body)
    wait_in_loop(lambda: client.has_ended)
    assert greeting
    assert client.types == ["closing"]
    assert client.events[0][1]["code"] == "token_expired"


def test_waiting_events_are_sent_before_the_stream_ends(house: House) -> None:
    client = house.listen()
    house.publish(3)
    house.sse.streams.close_where(lambda stream: True, CloseReason.SESSION_CLOSED)
    wait_in_loop(lambda: client.has_ended)
    assert client.types == ["connection", *["heartbeat"] * 3, "closing"]


def test_closing_twice_counts_once(house: House) -> None:
    house.listen()
    [stream] = list(house.sse.streams)
    house.sse.streams.close(stream, CloseReason.TOKEN_EXPIRED)
    house.sse.streams.close(stream, CloseReason.DRAINING)
    assert house.sse.stats.closed == {"token_expired": 1}
    assert house.open_streams == 0


def test_opening_and_end_are_logged_with_client_duration_events_and_reason(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "notifications.streams"):
        client = house.listen(client="192.0.2.7")
        house.publish(3)
        wait_in_loop(lambda: len(client.types) == 4)
        client.vanish()
    opened, closed = (record.fields for record in caplog.records)  # type: ignore[attr-defined]
    connection_id = client.events[0][1]["connectionId"]
    assert opened["stream"] == closed["stream"] == connection_id
    assert opened["channel"] == closed["channel"] == CHANNEL
    assert opened["client"] == closed["client"] == "192.0.2.7"
    assert closed["reason"] == "client_gone"
    assert closed["events"] == 3
    assert closed["pending"] == 0
    assert 0 <= closed["seconds"] < 60


# -- upkeep ----------------------------------------------------------------------------


def test_quiet_streams_get_a_heartbeat_each_round(build: Callable[..., House]) -> None:
    house = build(heartbeat_seconds=0.5)
    clients = [house.listen() for _ in range(10)]
    wait_in_loop(lambda: all(client.types.count("heartbeat") >= 2 for client in clients))
    for client in clients:
        assert set(client.types) == {"connection", "heartbeat"}
        assert list(client.events[1][1]) == ["timestamp"]


def test_upkeep_survives_a_broker_with_a_bug(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.broker.faults = frozenset({"sweep"})
    wait_in_loop(lambda: "a round over the streams failed" in caplog.text)
    client = house.listen(time.time() + 0.1)
    wait_in_loop(lambda: client.has_ended)


# -- the end of the process ------------------------------------------------------------


def test_drain_closes_all_streams_spread_over_its_time(build: Callable[..., House]) -> None:
    house = build(drain_seconds=0.5)
    clients = [house.listen() for _ in range(20)]
    ended_at: dict[Client, float] = {}

    def have_ended() -> bool:
        for client in clients:
            if client.has_ended:
                ended_at.setdefault(client, time.monotonic() - started)
        return len(ended_at) == len(clients)

    started = time.monotonic()
    drain = gevent.spawn(house.sse.drain, is_spread=True)
    wait_in_loop(have_ended)
    drain.join(timeout=5)

    # No stream ends before its turn: all at once would be a storm for the other processes.
    for turn, moment in enumerate(sorted(ended_at.values())):
        assert moment >= 0.5 * turn / len(clients)
    for client in clients:
        closing = client.events[-1]
        assert closing[0] == "closing"
        assert (closing[1]["code"], closing[1]["reconnect"]) == ("draining", True)
        # Other processes serve, and the clients come one after another.
        assert 10 <= closing[1]["reconnectInMs"] <= 50
    assert house.sse.stats.closed == {"draining": 20}


def test_streams_without_a_successor_close_together_and_reconnect_spread_over_time(
    build: Callable[..., House],
) -> None:
    """Reconnecting before the next process listens would be refused and take longer."""
    house = build(drain_seconds=60)
    clients = [house.listen() for _ in range(20)]
    house.sse.drain(is_spread=False)
    wait_in_loop(lambda: all(client.has_ended for client in clients))
    waits = [client.events[-1][1]["reconnectInMs"] for client in clients]
    assert len(set(waits)) > 10
    assert 600 <= min(waits) <= max(waits) <= 1200


@pytest.mark.parametrize(
    "drain",
    [
        pytest.param({"is_spread": False, "is_handed_over": True}, id="a process waits"),
        pytest.param({"is_spread": True}, id="others serve, and no time to spread"),
    ],
)
def test_streams_that_another_process_takes_over_together_reconnect_soon_but_spread(
    build: Callable[..., House], drain: dict[str, bool]
) -> None:
    house = build(drain_seconds=0 if drain["is_spread"] else 60)
    clients = [house.listen() for _ in range(20)]
    house.sse.drain(**drain)
    wait_in_loop(lambda: all(client.has_ended for client in clients))
    waits = [client.events[-1][1]["reconnectInMs"] for client in clients]
    assert len(set(waits)) > 10
    assert 200 <= min(waits) <= max(waits) <= 500
    assert house.sse.stats.closed == {"draining": 20}


def test_draining_service_opens_no_stream(house: House) -> None:
    house.sse.refuse_new_streams()
    with pytest.raises(ServerDraining) as caught:
        house.open()
    assert caught.value.retry_after_seconds == 1
    assert house.open_streams == 0


def test_stream_closed_during_a_failed_opening_is_removed_once(house: House) -> None:
    def close_all_and_fail() -> None:
        house.sse.streams.close_where(lambda stream: True, CloseReason.TOKEN_EXPIRED)
        raise BrokerUnavailable("away")

    house.broker.on_tip = close_all_and_fail
    with pytest.raises(HistoryUnavailable):
        house.open()
    house.broker.on_tip = lambda: None
    assert house.open_streams == 0
    body = house.open()
    assert house.open_streams == 1
    body.close()


def test_stop_closes_all_streams_at_once_and_may_be_repeated(house: House) -> None:
    clients = [house.listen() for _ in range(5)]
    house.sse.stop()
    house.sse.stop()
    wait_in_loop(lambda: all(client.has_ended for client in clients))
    assert house.open_streams == 0
