"""Resume under the worst timing: events are published between any two steps.

Each scenario runs once for every point at which an event can be published: before and after
each call to the broker, and before and after each write. The client must always receive every
event once, in order.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from operator import eq
from typing import Any

import gevent
import gevent.socket
import pytest

from notifications.brokers.base import HistoryLimits, Page
from notifications.brokers.memory.broker import MemoryBroker
from notifications.events.encoding import EventId, body
from notifications.events.heartbeat import Heartbeat
from notifications.streams.body import PAGE_EVENTS, Handover, StreamBody
from notifications.streams.service import SseService, StreamOptions
from notifications.streams.stream import CloseReason
from tests.support.streams import ANNA, wait_in_loop

CHANNEL = "main:waiter:anna"
EPOCH = "e1"
BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))

#: A limit on the points. The loop ends much earlier.
MANY = 60


class Timing:
    """Counts the points that are passed, and publishes at the chosen ones."""

    def __init__(self, chosen: Callable[[int], bool], publish: Callable[[], None]) -> None:
        self._chosen = chosen
        self._publish = publish
        self.passed: list[str] = []

    def point(self, name: str) -> None:
        self.passed.append(name)
        if self._chosen(len(self.passed) - 1):
            self._publish()


class SteppingBroker(MemoryBroker):
    """Reports a point before and after each call, as if a network lay in between."""

    timing: Timing | None = None

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        if self.timing is not None:
            self.timing.point(f"before {name}")
        yield
        if self.timing is not None:
            self.timing.point(f"after {name}")

    def subscribe(self, channel: str) -> None:
        with self._step("subscribe"):
            super().subscribe(channel)

    def tip(self, channel: str) -> EventId:
        with self._step("tip"):
            return super().tip(channel)

    def read(self, channel: str, after: EventId, limit: int) -> Page:
        with self._step("read"):
            return super().read(channel, after, limit)


class SteppingSocket(gevent.socket.socket):
    """Reports a point before and after each write of a replay."""

    timing: Timing | None = None

    def sendall(self, data: Any, flags: int = 0) -> Any:
        assert self.timing is not None
        self.timing.point("before a write")
        super().sendall(data, flags)
        self.timing.point("after a write")


@dataclass
class Scenario:
    """The length of the history, and the place that the client names."""

    history: int = 0
    last_event_id: str | None = None
    max_pending_events: int = 256
    max_history: int = 100_000
    resyncs: range = range(1)
    """How many ``cache_refresh`` events for everything may arrive."""


@dataclass
class Seen:
    """What a client has received."""

    text: str
    points: list[str] = field(default_factory=list)

    @property
    def events(self) -> list[tuple[str, str | None, Any]]:
        """(type, id, data) of each block, in order."""
        found = []
        for block in self.text.split("\n\n")[:-1]:
            lines = dict(line.split(": ", 1) for line in block.split("\n"))
            found.append((lines["event"], lines.get("id"), json.loads(lines["data"])))
        return found


def through_the_server(body: StreamBody, timing: Timing, received: list[bytes]) -> None:
    for chunk in body:
        timing.point("before a chunk is written")
        received.append(chunk)
        timing.point("after a chunk is written")


def play(
    scenario: Scenario,
    chosen: Callable[[int], bool],
    burst: int,
    *,
    over_the_socket: bool,
) -> tuple[Seen, EventId]:
    """Open a stream while events are published; return what was received, and the newest id."""
    broker = SteppingBroker(
        HistoryLimits(max_events=scenario.max_history, max_bytes=1 << 30),
        new_epoch=lambda: EPOCH,
    )
    keys = count()

    def publish() -> None:
        for _ in range(burst):
            broker.publish([CHANNEL], BODY, key=str(next(keys)))

    for _ in range(scenario.history):
        broker.publish([CHANNEL], BODY, key=str(next(keys)))
    sse = SseService(broker, StreamOptions(max_pending_events=scenario.max_pending_events))
    timing = broker.timing = Timing(chosen, publish)
    received: list[bytes] = []
    with pair(timing) as (server, client), running(sse):
        opened = sse.open(
            "waiter",
            "anna",
            ANNA,
            last_event_id=scenario.last_event_id,
            handover=Handover(server, is_chunked=False) if over_the_socket else None,
        )
        [stream] = list(sse.streams)
        writer: gevent.Greenlet[..., None]
        reader: gevent.Greenlet[..., None]
        if over_the_socket:
            writer = gevent.spawn(hand_over, opened, server, timing)
            reader = gevent.spawn(read_all, client, received)
        else:
            writer = gevent.spawn(through_the_server, opened, timing, received)
            reader = writer
        wait_in_loop(lambda: stream.outlet is not None and stream.depth == 0)
        timing.point("after going live")
        wait_in_loop(lambda: stream.depth == 0)
        broker.timing = None
        newest = broker.tip(CHANNEL)
        sse.streams.close(stream, CloseReason.SESSION_CLOSED)
        gevent.joinall([writer, reader], timeout=5, raise_error=True)
        opened.close()
    return Seen(b"".join(received).decode(), timing.passed), newest


@contextmanager
def running(sse: SseService) -> Iterator[None]:
    sse.start()
    try:
        yield
    finally:
        sse.stop()


@contextmanager
def pair(timing: Timing) -> Iterator[tuple[SteppingSocket, gevent.socket.socket]]:
    one, other = socket.socketpair()
    with (
        SteppingSocket(fileno=one.detach()) as server,
        gevent.socket.socket(fileno=other.detach()) as client,
    ):
        server.timing = timing
        # The buffer holds a burst, so that no reader counts as slow before it can run.
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        yield server, client


def hand_over(body: StreamBody, server: SteppingSocket, timing: Timing) -> None:
    """Act as a server does: write the first block, and nothing after the handover."""
    for block in body:
        server.sendall(block)
    assert body.is_handed_over
    body.close()
    server.close()


def read_all(client: gevent.socket.socket, received: list[bytes]) -> None:
    while data := client.recv(65_536):
        received.append(data)


def assert_right(seen: Seen, newest: EventId, scenario: Scenario, when: str) -> None:
    """Assert that each event came once and in order, and that a lost place caused a resync."""
    (first, first_id, _), *rest = seen.events
    assert first == "connection", when
    place = EventId.parse(first_id or scenario.last_event_id or "")
    resyncs = 0
    for kind, text, data in rest:
        if kind == "closing":
            continue
        event_id = EventId.parse(text or "")
        assert event_id is not None, when
        if kind == "cache_refresh":
            assert data["affectedData"] == ["all"], when
            resyncs += 1
        else:
            assert place is not None, when
            assert event_id == EventId(EPOCH, place.offset + 1), when
        place = event_id
    assert place == newest, when
    assert resyncs in scenario.resyncs, when


ONE = range(1, 2)
SCENARIOS = {
    "new client, nothing happened yet": Scenario(),
    "new client, long history": Scenario(history=PAGE_EVENTS * 2),
    "nothing missed": Scenario(history=3, last_event_id="e1-3"),
    "a few missed": Scenario(history=10, last_event_id="e1-4"),
    "all missed": Scenario(history=10, last_event_id="e1-0"),
    "exactly a page missed": Scenario(history=PAGE_EVENTS, last_event_id="e1-0"),
    "more than the mailbox and several pages missed": Scenario(
        history=PAGE_EVENTS * 2 + 7, last_event_id="e1-0", max_pending_events=4
    ),
    "tiny mailbox": Scenario(history=5, last_event_id="e1-2", max_pending_events=1),
    "unknown epoch": Scenario(history=10, last_event_id="e0-4", resyncs=ONE),
    "unknown epoch, nothing happened since": Scenario(last_event_id="e0-4", resyncs=ONE),
    "trimmed history": Scenario(history=2000, last_event_id="e1-4", max_history=1000, resyncs=ONE),
    # Each event between the resync and going live is lost, and causes another resync.
    "no history kept": Scenario(
        history=5, last_event_id="e1-4", max_history=0, resyncs=range(1, MANY)
    ),
    "garbage": Scenario(history=10, last_event_id="'; drop table", resyncs=ONE),
    "an id from the future": Scenario(history=3, last_event_id="e1-99999", resyncs=ONE),
}

#: One event, and more events than a mailbox holds.
BURSTS = (1, 300)


@pytest.mark.parametrize("way", ["through the server", "over the socket"])
@pytest.mark.parametrize("burst", BURSTS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_client_gets_every_event_once_at_whatever_point_it_is_published(
    name: str, burst: int, way: str
) -> None:
    scenario, over_the_socket = SCENARIOS[name], way == "over the socket"
    points: list[str] = []
    for index in range(MANY):
        seen, newest = play(scenario, partial(eq, index), burst, over_the_socket=over_the_socket)
        points = seen.points
        if index >= len(points):
            break
        assert_right(seen, newest, scenario, f"published {points[index]}, point {index}")
    else:
        pytest.fail(f"the scenario never ends: {points}")
    assert index > 5, "the scenario passed too few points"


@pytest.mark.parametrize("way", ["through the server", "over the socket"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_client_gets_every_event_once_when_events_come_at_every_point(name: str, way: str) -> None:
    scenario = SCENARIOS[name]
    seen, newest = play(scenario, lambda at: at < 20, 3, over_the_socket=way == "over the socket")
    assert len(seen.points) > 5
    assert_right(seen, newest, scenario, "published everywhere")


@pytest.mark.parametrize("way", ["through the server", "over the socket"])
def test_history_trimmed_during_a_replay_causes_one_resync(way: str) -> None:
    scenario = Scenario(
        history=PAGE_EVENTS * 3,
        last_event_id="e1-0",
        max_history=PAGE_EVENTS * 3,
        resyncs=range(2),
    )
    resyncs = 0
    for index in range(MANY):
        seen, newest = play(
            scenario,
            partial(eq, index),
            PAGE_EVENTS * 3,
            over_the_socket=way == "over the socket",
        )
        if index >= len(seen.points):
            break
        assert_right(seen, newest, scenario, f"trimmed {seen.points[index]}, point {index}")
        resyncs += sum(kind == "cache_refresh" for kind, _, _ in seen.events)
    assert resyncs > 2, "the trimming hardly ever overtook the replay, so the test shows nothing"


def test_greeting_says_whether_the_stream_was_resumed() -> None:
    for name, resumed in (("a few missed", True), ("unknown epoch", False), ("garbage", False)):
        seen, _ = play(SCENARIOS[name], lambda at: False, 1, over_the_socket=False)
        assert seen.events[0][2]["resumed"] is resumed, name


def test_new_client_gets_its_place_with_the_greeting() -> None:
    """With its place, the client loses nothing when it is cut off before its first event."""
    seen, newest = play(Scenario(history=7), lambda at: False, 1, over_the_socket=False)
    assert seen.events[0][1] == str(newest) == "e1-7"
