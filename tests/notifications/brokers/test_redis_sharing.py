"""Several processes on one Redis agree on order, keys and totals."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial

import gevent
import gevent.socket
import gevent.subprocess
import pytest
import redis

from notifications.brokers.presence import Presence
from notifications.brokers.redis.broker import RedisBroker
from notifications.brokers.redis.subscriber import READ_SLICE
from notifications.errors import BrokerUnavailable
from notifications.events.encoding import EventId, StoredEvent, body
from notifications.events.heartbeat import Heartbeat
from tests.support.deaf_proxy import DeafProxy
from tests.support.ear import Ear
from tests.support.publisher import Publisher
from tests.support.redis_server import RedisServer
from tests.support.streams import wait_in_loop

pytestmark = pytest.mark.redis

ANNA, BEN = "main:waiter:anna", "main:waiter:ben"
BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))

StartBroker = Callable[..., RedisBroker]
StartPresence = Callable[..., Presence]


def test_every_process_that_follows_a_channel_gets_its_events(
    start_redis_broker: StartBroker,
) -> None:
    ears = [Ear() for _ in range(3)]
    brokers = [start_redis_broker(ear) for ear in ears]
    for broker in brokers:
        broker.subscribe(ANNA)
    for number, broker in enumerate(brokers):
        broker.publish([ANNA], BODY, key=f"key-{number}")

    def has_heard_all(ear: Ear) -> bool:
        return ear.offsets(ANNA) == [1, 2, 3]

    for ear in ears:
        wait_in_loop(partial(has_heard_all, ear))
    assert len({tuple(map(str, (e.event_id for e in ear.events[ANNA]))) for ear in ears}) == 1


def test_other_sockets_are_served_during_a_flood_of_events(
    start_redis_broker: StartBroker, redis_client: redis.Redis
) -> None:
    ours, theirs = gevent.socket.socketpair()

    class Ringing(Ear):
        def deliver(self, channel: str, event: StoredEvent) -> None:
            super().deliver(channel, event)
            if event.offset == 1:
                theirs.send(b"x")

    ear = Ringing()
    broker = start_redis_broker(ear)
    broker.subscribe(ANNA)
    events = 10 * READ_SLICE

    def read() -> int:
        ours.recv(1)
        return len(ear.events[ANNA])

    with ours, theirs:
        reading = gevent.spawn(read)
        # One script publishes all events, so they arrive together.
        redis_client.eval(
            "for offset = 1, ARGV[1] do"
            " redis.call('PUBLISH', KEYS[1], ARGV[2] .. '-' .. offset .. '\\n' .. ARGV[3]) end",
            1,
            broker.keys.live(ANNA),
            events,
            broker.tip(ANNA).epoch,
            BODY,
        )
        wait_in_loop(lambda: len(ear.events[ANNA]) == events)
        assert reading.get(timeout=5) <= 2 * READ_SLICE
    assert ear.broken_promises == []


def test_event_enters_all_its_channels_in_one_call_of_one_script(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear)
    channels = [ANNA, BEN, "main:session:table-5", "main:floor:main", "main:kitchen:main"]

    def calls_of_one_event(number: int) -> int:
        redis_client.config_resetstat()
        broker.publish(channels, BODY, key=f"change-{number}")
        calls: int = redis_client.info("commandstats")["cmdstat_evalsha"]["calls"]
        return calls

    # A probe or a report may come in between.
    assert min(map(calls_of_one_event, range(5))) == 1
    assert {broker.tip(channel).offset for channel in channels} == {5}


def test_deployments_with_different_prefixes_share_nothing(
    redis_server: RedisServer, start_presence: StartPresence
) -> None:
    ears = [Ear(), Ear()]
    brokers = [RedisBroker(redis_server.url, prefix=prefix) for prefix in ("north:", "south:")]
    for broker, ear in zip(brokers, ears, strict=True):
        broker.start(ear)
        broker.subscribe(ANNA)
    north, south = brokers
    north.publish([ANNA], BODY, key="key")
    northern = start_presence(north, session=1)
    wait_in_loop(lambda: ears[0].events[ANNA])
    # The south would get events of the north before its own event.
    south.subscribe(BEN)
    south.publish([BEN], BODY, key="key")
    wait_in_loop(lambda: ears[1].events[BEN])
    assert set(ears[1].events) == {BEN}
    assert south.tip(ANNA).offset == 0
    assert start_presence(south).total() == {}
    assert northern.total() == {"session": 1}
    northern.stop()
    for broker in brokers:
        broker.stop()


def test_ten_thousand_publications_of_four_processes_have_one_order(
    redis_server: RedisServer, start_redis_broker: StartBroker, ear: Ear
) -> None:
    """Two processes publish the same keys, so half of their publications are repetitions."""
    broker = start_redis_broker(ear)
    broker.subscribe(ANNA)
    with ExitStack() as stack:
        processes = [
            stack.enter_context(Publisher(redis_server.url, ANNA, 2500, prefix))
            for prefix in ("a-", "b-", "same-", "same-")
        ]
        for process in processes:
            process.expect("ready")
        for process in processes:
            process.go()
        wait_in_loop(lambda: len(ear.events[ANNA]) == 7500, timeout=60)
        for process in processes:
            process.expect("done")
    assert broker.tip(ANNA) == EventId(ear.events[ANNA][0].epoch, 7500)
    assert ear.offsets(ANNA) == list(range(1, 7501))
    assert ear.resyncs == []


def test_every_event_arrives_once_although_connections_fail(
    redis_server: RedisServer,
    redis_client: redis.Redis,
    start_redis_broker: StartBroker,
    ear: Ear,
) -> None:
    proxy = DeafProxy(redis_server.port)
    listener = start_redis_broker(ear, url=proxy.url)
    publisher = start_redis_broker(Ear())
    channels = [f"main:session:{number}" for number in range(20)]
    for channel in channels:
        listener.subscribe(channel)

    def publish_all(channel: str) -> None:
        for number in range(100):
            while True:
                try:
                    publisher.publish([channel], BODY, key=f"{channel} {number}")
                    break
                except BrokerUnavailable:
                    gevent.sleep(0.02)
            gevent.sleep(0.01)

    def make_trouble() -> None:
        troubles: list[Callable[[], object]] = [
            lambda: redis_client.client_kill_filter(_type="pubsub"),
            lambda: redis_client.client_kill_filter(_type="normal", skipme=True),
            redis_client.script_flush,
            proxy.deafen_subscribers,
            lambda: listener.subscribe(random.choice(channels)),
            lambda: listener.tip(random.choice(channels)),
        ]
        while True:
            with suppress(BrokerUnavailable):
                random.choice(troubles)()
            gevent.sleep(0.05)

    publishing = [gevent.spawn(publish_all, channel) for channel in channels]
    trouble = gevent.spawn(make_trouble)
    gevent.joinall(publishing, raise_error=True)
    trouble.kill()
    wait_in_loop(lambda: all(len(ear.events[each]) == 100 for each in channels), timeout=15)
    assert all(listener.tip(each).offset == 100 for each in channels)
    assert all(ear.offsets(each) == list(range(1, 101)) for each in channels)
    assert ear.resyncs == []
    listener.stop()
    proxy.close()
