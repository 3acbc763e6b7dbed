"""Brokers for the tests: one of each kind, or several that share one Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
import pytest
import redis

from notifications.brokers.base import Broker, HistoryLimits
from notifications.brokers.memory.broker import MemoryBroker
from notifications.brokers.presence import OnlyProcess, Presence
from notifications.brokers.redis.broker import RedisBroker
from notifications.brokers.redis.presence import RedisPresence
from tests.support.ear import Ear
from tests.support.redis_server import RedisServer
from tests.support.streams import pass_turn, wait_in_loop


@pytest.fixture(autouse=True)
def _cooperative_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give redis-py gevent's sockets, as gunicorn's gevent worker does.

    The rest of the process is not patched, because the other tests use threads.
    """
    monkeypatch.setattr("redis.connection.socket", gevent.socket)
    yield
    # gevent closes a socket that a greenlet waited for in the loop's next turn.
    pass_turn()


@pytest.fixture
def start_redis_broker(redis_server: RedisServer) -> Iterator[Callable[..., RedisBroker]]:
    """Start a broker as one process would: ``start_redis_broker(ear, limits, url=...)``."""
    brokers: list[RedisBroker] = []

    def start(
        ear: Ear, limits: HistoryLimits | None = None, *, url: str = "", wait: bool = True
    ) -> RedisBroker:
        broker = RedisBroker(url or redis_server.url, limits)
        brokers.append(broker)
        broker.start(ear)
        if wait:
            wait_in_loop(lambda: broker.status().is_up)
        return broker

    yield start
    for broker in brokers:
        broker.stop()


@pytest.fixture
def start_presence(
    start_redis_broker: Callable[..., RedisBroker],
) -> Iterator[Callable[..., Presence]]:
    """Start the presence of one process: ``start_presence(broker, session=2)``."""
    presences: list[Presence] = []

    def start(broker: Broker, **counts: int) -> Presence:
        presence: Presence = OnlyProcess()
        if isinstance(broker, RedisBroker):
            presence = RedisPresence(broker.link, broker.keys)
        presences.append(presence)
        presence.start(lambda: counts)
        return presence

    yield start
    for presence in presences:
        presence.stop()


@pytest.fixture
def ear() -> Iterator[Ear]:
    """The sink of the broker under test."""
    ear = Ear()
    yield ear
    assert ear.broken_promises == []


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A connection of an operator."""
    with redis_server.client() as client:
        yield client


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The clock that the memory broker uses."""
    return Clock()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of broker under test."""
    return str(request.param)


@pytest.fixture
def make_broker(
    kind: str, request: pytest.FixtureRequest, ear: Ear, clock: Clock
) -> Callable[..., Broker]:
    """Start a broker of each kind that delivers to ``ear``: ``make_broker(max_events=3)``."""
    if kind == "redis":
        start = request.getfixturevalue("start_redis_broker")
        return lambda **limits: start(ear, HistoryLimits(**limits))

    def start_memory(**limits: Any) -> MemoryBroker:
        broker = MemoryBroker(HistoryLimits(**limits), clock=clock)
        broker.start(ear)
        return broker

    return start_memory


@pytest.fixture
def grow_older(kind: str, clock: Clock) -> Callable[[float], None]:
    """Let stored data grow older by some seconds. For Redis, which has its own clock, wait."""

    def pass_by(seconds: float) -> None:
        clock.now += seconds
        if kind == "redis":
            gevent.sleep(seconds)

    return pass_by


@pytest.fixture
def broker(make_broker: Callable[..., Broker]) -> Broker:
    """One broker of each kind, with the usual limits."""
    return make_broker()
