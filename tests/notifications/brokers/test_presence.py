"""What a process knows of the other processes, for each kind of presence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import redis

from notifications.brokers.base import Broker
from notifications.brokers.presence import Presence
from notifications.brokers.redis import presence as redis_presence
from notifications.brokers.redis.broker import RedisBroker
from notifications.streams.waiter_streams import WaiterStreams
from tests.support.ear import Ear
from tests.support.publisher import Publisher
from tests.support.redis_server import RedisServer
from tests.support.streams import wait_in_loop

StartBroker = Callable[..., RedisBroker]
StartPresence = Callable[..., Presence]


@pytest.fixture
def quick_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_presence, "INTERVAL_SECONDS", 0.05)
    monkeypatch.setattr(redis_presence, "CACHE_SECONDS", 0.05)


def test_own_streams_are_counted_without_delay(
    broker: Broker, start_presence: StartPresence
) -> None:
    presence = start_presence(broker)
    counts = {"session": 3, "waiter": 0}
    presence.start(lambda: counts)
    assert presence.total() == {"session": 3, "waiter": 0}
    counts |= {"session": 2, "waiter": 1}
    assert presence.total() == {"session": 2, "waiter": 1}


def test_only_process_reports_no_others(broker: Broker, start_presence: StartPresence) -> None:
    presence = start_presence(broker)
    assert not presence.others_serve()
    presence.announce_end()
    assert not presence.others_serve()


@pytest.mark.redis
def test_streams_of_all_processes_are_summed(
    start_redis_broker: StartBroker, start_presence: StartPresence
) -> None:
    presences = [start_presence(start_redis_broker(Ear()), session=2, waiter=1) for _ in range(3)]

    def counts_all(presence: Presence) -> bool:
        return presence.total() == {"session": 6, "waiter": 3}

    for presence in presences:
        wait_in_loop(partial(counts_all, presence))


@pytest.mark.redis
@pytest.mark.usefixtures("quick_reports")
def test_report_follows_the_counts(
    start_redis_broker: StartBroker, start_presence: StartPresence
) -> None:
    counts = {"session": 1}
    start_presence(start_redis_broker(Ear())).start(lambda: counts)
    observer = start_presence(start_redis_broker(Ear()))
    wait_in_loop(lambda: observer.total() == {"session": 1})
    counts["session"] = 4
    wait_in_loop(lambda: observer.total() == {"session": 4})


@pytest.mark.redis
def test_process_that_announced_its_end_no_longer_counts_as_serving(
    start_redis_broker: StartBroker, start_presence: StartPresence, redis_client: redis.Redis
) -> None:
    stays, goes = (start_presence(start_redis_broker(Ear()), session=1) for _ in range(2))
    wait_in_loop(lambda: redis_client.hlen("restaurant:reports") == 2)
    assert stays.others_serve()
    goes.announce_end()
    wait_in_loop(lambda: not stays.others_serve())
    assert goes.others_serve()
    assert stays.total() == {"session": 2}, "the streams of the ending process are still open"


@pytest.mark.redis
def test_process_that_stops_is_no_longer_counted(
    start_redis_broker: StartBroker, start_presence: StartPresence, redis_client: redis.Redis
) -> None:
    stays = start_presence(start_redis_broker(Ear()), session=2)
    goes = start_presence(start_redis_broker(Ear()), session=3)
    wait_in_loop(lambda: redis_client.hlen("restaurant:reports") == 2)
    goes.stop()
    assert stays.total() == {"session": 2}


@pytest.mark.redis
@pytest.mark.usefixtures("quick_reports")
def test_process_that_died_is_no_longer_counted(
    redis_server: RedisServer, start_redis_broker: StartBroker, start_presence: StartPresence
) -> None:
    presence = start_presence(start_redis_broker(Ear()))
    with Publisher(redis_server.url, "main:waiter:anna", 0, "-") as process:
        process.expect("ready")
        process.go()
        process.expect("done")
        wait_in_loop(lambda: presence.total() == {"session": 1})
        process.kill()
        wait_in_loop(lambda: presence.total() == {}, timeout=redis_presence.REPORT_SECONDS + 5)


def follow(*channels: str) -> WaiterStreams:
    """Return the counts of streams that are open on ``channels``."""
    streams = WaiterStreams()
    for channel in channels:
        streams.opened(channel)
    return streams


def test_own_waiters_are_counted_by_venue(broker: Broker, start_presence: StartPresence) -> None:
    presence = start_presence(broker)
    streams = follow("main:waiter:anna", "main:waiter:anna", "hill:waiter:hal", "main:floor:main")
    presence.start(dict, streams)
    assert presence.waiter_streams("main") == {"anna": 2}
    assert presence.waiter_streams("hill") == {"hal": 1}
    streams.closed("main:waiter:anna")
    streams.closed("hill:waiter:hal")
    assert presence.waiter_streams("main") == {"anna": 1}
    assert presence.waiter_streams("hill") == {}


@pytest.mark.redis
@pytest.mark.usefixtures("quick_reports")
def test_waiters_of_all_processes_are_summed_until_they_leave(
    start_redis_broker: StartBroker, start_presence: StartPresence
) -> None:
    here, there = follow("main:waiter:anna"), follow("main:waiter:anna", "main:waiter:ben")
    presences = [start_presence(start_redis_broker(Ear())) for _ in range(2)]
    for presence, streams in zip(presences, (here, there), strict=True):
        presence.start(dict, streams)
    observer = presences[0]
    wait_in_loop(lambda: observer.waiter_streams("main") == {"anna": 2, "ben": 1})
    assert observer.waiter_streams("hill") == {}
    there.closed("main:waiter:ben")
    wait_in_loop(lambda: observer.waiter_streams("main") == {"anna": 2})
    presences[1].stop()
    assert observer.waiter_streams("main") == {"anna": 1}
