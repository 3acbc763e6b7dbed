"""Redis is away, hangs, loses data, refuses or falls silent: the broker notices and recovers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count

import gevent
import pytest
import redis

from notifications.brokers.base import Broker, HistoryLimits
from notifications.brokers.presence import Presence
from notifications.brokers.redis import probe
from notifications.brokers.redis.broker import RedisBroker
from notifications.errors import BrokerUnavailable
from notifications.events.encoding import EventId, body
from notifications.events.heartbeat import Heartbeat
from notifications.redis import link
from tests.support.deaf_proxy import DeafProxy
from tests.support.ear import Ear
from tests.support.redis_server import RedisServer
from tests.support.streams import pass_turn, wait_in_loop

pytestmark = pytest.mark.redis

ANNA, BEN, TABLE = "main:waiter:anna", "main:waiter:ben", "main:session:table-5"
BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))

StartBroker = Callable[..., RedisBroker]

_keys = (f"key-{number}" for number in count())


@pytest.fixture
def broker(start_redis_broker: StartBroker, ear: Ear) -> RedisBroker:
    return start_redis_broker(ear)


@pytest.fixture
def other(start_redis_broker: StartBroker) -> RedisBroker:
    """The broker of another process."""
    return start_redis_broker(Ear())


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[DeafProxy]:
    proxy = DeafProxy(redis_server.port)
    yield proxy
    proxy.close()


def publish(broker: Broker, *channels: str, times: int = 1) -> None:
    for _ in range(times):
        broker.publish(channels, BODY, key=next(_keys))


def is_up(broker: Broker) -> bool:
    return broker.status().is_up


def is_down(broker: Broker) -> bool:
    return not broker.status().is_up


@contextmanager
def never_waits() -> Iterator[None]:
    """Fail if another greenlet could run in between."""
    other = gevent.spawn(lambda: None)
    yield
    assert not other.dead
    other.join()


# -- away ----------------------------------------------------------------------------


def test_calls_fail_at_once_while_redis_is_away(
    broker: RedisBroker, redis_server: RedisServer
) -> None:
    redis_server.stop()
    # The first call notices the outage.
    with pytest.raises(BrokerUnavailable, match="Redis is away"):
        publish(broker, ANNA)
    assert is_down(broker)
    calls: list[Callable[[], object]] = [
        lambda: publish(broker, ANNA),
        lambda: broker.subscribe(ANNA),
        lambda: broker.tip(ANNA),
        lambda: broker.read(ANNA, EventId("e", 0), 10),
    ]
    for call in calls:
        with never_waits(), pytest.raises(BrokerUnavailable, match="Redis is away"):
            call()


def test_events_are_delivered_again_when_redis_is_back(
    broker: RedisBroker, ear: Ear, redis_server: RedisServer
) -> None:
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    redis_server.stop()
    wait_in_loop(lambda: is_down(broker))
    redis_server.start()
    wait_in_loop(lambda: is_up(broker))
    publish(broker, ANNA)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 2)


def test_failed_publication_enters_once_when_it_is_repeated(
    broker: RedisBroker, ear: Ear, redis_server: RedisServer
) -> None:
    broker.subscribe(ANNA)
    redis_server.freeze()
    with pytest.raises(BrokerUnavailable):
        broker.publish([ANNA], BODY, key="change-1")
    redis_server.thaw()
    wait_in_loop(lambda: is_up(broker))
    for _ in range(2):
        broker.publish([ANNA], BODY, key="change-1")
    # The answer to ``tip`` comes after all earlier events of the channel.
    assert broker.tip(ANNA).offset == 1
    assert ear.offsets(ANNA) == [1]


def test_callers_wait_for_a_hanging_redis_once_and_at_the_same_time(
    broker: RedisBroker, redis_server: RedisServer
) -> None:
    def expect_failure() -> None:
        with pytest.raises(BrokerUnavailable):
            publish(broker, ANNA)

    redis_server.freeze()
    # One timeout after the other would take minutes.
    callers = [gevent.spawn(expect_failure) for _ in range(200)]
    assert len(gevent.joinall(callers, timeout=30, raise_error=True)) == 200
    assert is_down(broker)
    with never_waits():
        expect_failure()
    redis_server.thaw()
    wait_in_loop(lambda: is_up(broker))


def test_streams_miss_nothing_when_redis_hangs_for_a_while(
    broker: RedisBroker, other: RedisBroker, ear: Ear, redis_server: RedisServer
) -> None:
    broker.subscribe(ANNA)
    publish(other, ANNA)
    redis_server.freeze()
    wait_in_loop(lambda: is_down(broker))
    redis_server.thaw()
    wait_in_loop(lambda: is_up(broker) and is_up(other))
    publish(other, ANNA, times=2)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 3)
    assert ear.resyncs == []


def test_broker_notices_a_hanging_redis_without_any_call(
    broker: RedisBroker, redis_server: RedisServer
) -> None:
    redis_server.freeze()
    wait_in_loop(lambda: is_down(broker), timeout=6)


def test_broker_that_starts_without_redis_works_once_redis_is_there(
    redis_server: RedisServer, start_redis_broker: StartBroker, ear: Ear
) -> None:
    redis_server.stop()
    broker = start_redis_broker(ear, wait=False)
    with pytest.raises(BrokerUnavailable):
        broker.subscribe(ANNA)
    redis_server.start()
    wait_in_loop(lambda: is_up(broker))
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.events[ANNA])


def test_failed_subscription_leaves_nothing_behind(
    broker: RedisBroker, ear: Ear, redis_server: RedisServer
) -> None:
    redis_server.freeze()
    with pytest.raises(BrokerUnavailable):
        broker.subscribe(ANNA)
    redis_server.thaw()
    wait_in_loop(lambda: is_up(broker))
    broker.subscribe(BEN)
    publish(broker, ANNA, BEN)
    wait_in_loop(lambda: ear.events[BEN])
    assert ear.offsets(ANNA) == []


def test_presence_keeps_its_last_total_while_redis_is_away(
    broker: RedisBroker,
    other: RedisBroker,
    redis_server: RedisServer,
    start_presence: Callable[..., Presence],
) -> None:
    start_presence(other, session=5)
    presence, counts = start_presence(broker), {"session": 1}
    presence.start(lambda: counts)
    wait_in_loop(lambda: presence.total() == {"session": 6})
    redis_server.freeze()
    counts["session"] = 2
    with never_waits():
        presence.announce_end()
    assert presence.total() == {"session": 7}
    wait_in_loop(lambda: is_down(broker))
    with never_waits():
        assert presence.total() == {"session": 7}
    redis_server.thaw()


def test_status_describes_the_fault_without_secrets(
    redis_server: RedisServer, redis_client: redis.Redis, start_redis_broker: StartBroker
) -> None:
    redis_client.config_set("requirepass", "open-sesame")
    try:
        url = f"redis://:wrong-password@127.0.0.1:{redis_server.port}/0"
        broker = start_redis_broker(Ear(), url=url, wait=False)
        wait_in_loop(lambda: "invalid username-password" in str(broker.status().detail))
        assert "wrong-password" not in str(broker.status().detail)
    finally:
        redis_client.config_set("requirepass", "")


# -- data lost -------------------------------------------------------------------------


def test_empty_restart_of_redis_causes_one_resync_per_channel(
    broker: RedisBroker, ear: Ear, redis_server: RedisServer
) -> None:
    for channel in (ANNA, TABLE):
        broker.subscribe(channel)
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.events[ANNA])
    before = broker.tip(ANNA)
    redis_server.restart()
    wait_in_loop(lambda: len(ear.resyncs) == 2 and is_up(broker))
    publish(broker, ANNA, TABLE, times=2)
    wait_in_loop(lambda: len(ear.events[TABLE]) == 2)
    assert sorted(channel for channel, _ in ear.resyncs) == [TABLE, ANNA]
    assert ear.offsets(ANNA) == [1, 1, 2]
    assert broker.read(ANNA, before, 10).is_gap


def test_flushed_redis_causes_a_resync_with_the_next_event(
    broker: RedisBroker, other: RedisBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker.subscribe(ANNA)
    publish(other, ANNA, times=3)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 3)
    redis_client.flushall()
    publish(other, ANNA)
    wait_in_loop(lambda: ear.resyncs)
    publish(other, ANNA)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 4)
    assert ear.resyncs == [(ANNA, EventId(other.tip(ANNA).epoch, 1))]
    assert ear.offsets(ANNA) == [1, 2, 3, 2]


def test_flushed_redis_causes_a_resync_with_the_next_read(
    broker: RedisBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker.subscribe(ANNA)
    before = broker.tip(ANNA)
    redis_client.flushall()
    tip = broker.tip(ANNA)
    assert tip.epoch != before.epoch
    assert ear.resyncs == [(ANNA, tip)]
    broker.tip(ANNA)
    assert len(ear.resyncs) == 1


def test_history_of_an_earlier_generation_is_not_used(
    broker: RedisBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    """It may end before events that clients have seen, and would give out their offsets again."""
    broker.subscribe(ANNA)
    publish(broker, ANNA, times=2)
    before = broker.tip(ANNA)
    redis_client.hset("restaurant:{main}:waiter:anna:meta", "generation", 0)
    assert broker.read(ANNA, before, 10).is_gap
    assert ear.resyncs == [(ANNA, EventId(broker.tip(ANNA).epoch, 0))]
    publish(broker, ANNA)
    assert broker.tip(ANNA).offset == 1


def test_event_enters_no_channel_while_one_of_them_has_a_newer_generation(
    broker: RedisBroker, redis_client: redis.Redis
) -> None:
    publish(broker, ANNA, TABLE)
    # Redis refuses the first call. The link learns the generation, and makes the call again.
    redis_client.hset("restaurant:{main}:session:table-5:meta", "generation", 7)
    publish(broker, ANNA, TABLE)
    generations = {
        redis_client.hget(f"restaurant:{{main}}:{channel}:meta", "generation")
        for channel in ("waiter:anna", "session:table-5")
    }
    assert generations == {"7"}
    # ANNA's history began again and TABLE's continued. Each has the second event once.
    assert (broker.tip(ANNA).offset, broker.tip(TABLE).offset) == (1, 2)


# -- connections -----------------------------------------------------------------------


def test_killed_subscription_is_restored_and_catches_up(
    broker: RedisBroker, other: RedisBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    for channel in (ANNA, BEN, TABLE):
        broker.subscribe(channel)
    publish(other, ANNA, BEN)
    for _ in range(5):
        redis_client.client_kill_filter(_type="pubsub")
        publish(other, ANNA, times=100)
        publish(other, BEN)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 501 and len(ear.events[BEN]) == 6)
    assert ear.resyncs == []
    assert is_up(broker)


def test_missing_more_than_the_history_holds_causes_one_resync(
    redis_server: RedisServer,
    start_redis_broker: StartBroker,
    ear: Ear,
    redis_client: redis.Redis,
) -> None:
    limits = HistoryLimits(max_events=5)
    broker, other = start_redis_broker(ear, limits), start_redis_broker(Ear(), limits)
    broker.subscribe(ANNA)
    redis_client.client_kill_filter(_type="pubsub")
    publish(other, ANNA, times=50)
    wait_in_loop(lambda: ear.resyncs)
    publish(other, ANNA)
    wait_in_loop(lambda: ear.offsets(ANNA)[-1:] == [51])
    assert len(ear.resyncs) == 1


def test_calls_succeed_after_the_command_connection_was_killed(
    broker: RedisBroker, redis_client: redis.Redis
) -> None:
    for _ in range(5):
        redis_client.client_kill_filter(_type="normal", skipme=True)
        publish(broker, ANNA)
    assert broker.tip(ANNA).offset == 5
    assert is_up(broker)


def test_subscribing_waits_while_the_connection_is_rebuilt(
    broker: RedisBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker.subscribe(ANNA)
    redis_client.client_kill_filter(_type="pubsub")
    broker.subscribe(ANNA)
    broker.subscribe(BEN)
    publish(broker, ANNA, BEN)
    wait_in_loop(lambda: ear.events[ANNA] and ear.events[BEN])


def test_deaf_subscription_is_noticed_and_restored_within_ten_seconds(
    proxy: DeafProxy, start_redis_broker: StartBroker, ear: Ear, other: RedisBroker
) -> None:
    broker = start_redis_broker(ear, url=proxy.url)
    broker.subscribe(ANNA)
    broker.subscribe(BEN)
    publish(other, ANNA)
    wait_in_loop(lambda: ear.events[ANNA])
    assert proxy.deafen_subscribers() == 1
    publish(other, ANNA, times=3)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 4, timeout=10)
    publish(other, ANNA, BEN)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 5 and ear.events[BEN])
    assert ear.resyncs == []


def test_subscription_that_is_deaf_from_the_start_is_rebuilt(
    proxy: DeafProxy, start_redis_broker: StartBroker, ear: Ear, other: RedisBroker
) -> None:
    broker = start_redis_broker(ear, url=proxy.url)
    broker.subscribe(ANNA)
    proxy.deafens_new_subscribers = True
    proxy.hang_up()
    wait_in_loop(lambda: is_down(broker))
    publish(other, ANNA)
    with pytest.raises(BrokerUnavailable, match="did not confirm"):
        broker.subscribe(BEN)
    proxy.deafens_new_subscribers = False
    wait_in_loop(lambda: ear.offsets(ANNA) == [1], timeout=10)
    assert is_up(broker)


def test_subscribing_again_catches_up_a_deaf_channel(
    proxy: DeafProxy, start_redis_broker: StartBroker, ear: Ear, other: RedisBroker
) -> None:
    broker = start_redis_broker(ear, url=proxy.url)
    broker.subscribe(ANNA)
    proxy.deafen_subscribers()
    publish(other, ANNA, times=3)
    broker.subscribe(ANNA)
    assert broker.tip(ANNA).offset == 3
    assert ear.offsets(ANNA) == [1, 2, 3]


def test_single_silent_channel_is_found_by_the_probe(
    start_redis_broker: StartBroker,
    ear: Ear,
    other: RedisBroker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "ROUND_SECONDS", 0.1)
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.1)
    broker = start_redis_broker(ear)
    broker.subscribe(ANNA)
    line = broker._subscriber._line
    assert line is not None
    line.want("restaurant:{main}:waiter:anna:live", is_wanted=False)
    wait_in_loop(lambda: not line.is_confirmed("restaurant:{main}:waiter:anna:live"))
    publish(other, ANNA, times=2)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1, 2])


# -- refusals --------------------------------------------------------------------------


def test_scripts_that_redis_lost_are_loaded_again(
    broker: RedisBroker, redis_client: redis.Redis
) -> None:
    for _ in range(2):
        redis_client.script_flush()
        publish(broker, ANNA, BEN)
    assert broker.tip(ANNA).offset == 2
    assert broker.tip(BEN).offset == 2


@pytest.fixture
def brief_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "REFUSAL_SECONDS", 0.2)


@pytest.mark.usefixtures("brief_refusals")
def test_redis_without_memory_refuses_whole_publications(
    broker: RedisBroker, redis_client: redis.Redis
) -> None:
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(BrokerUnavailable, match="maxmemory"):
            broker.publish([ANNA, TABLE], BODY, key="change-1")
        assert is_down(broker)
    finally:
        redis_client.config_set("maxmemory", "0")
    assert not redis_client.keys("restaurant:{main}:*")
    broker.publish([ANNA, TABLE], BODY, key="change-1")
    assert broker.tip(ANNA).offset == broker.tip(TABLE).offset == 1
    wait_in_loop(lambda: is_up(broker))


@pytest.mark.usefixtures("brief_refusals")
def test_redis_that_became_a_replica_is_used_again_once_it_is_primary(
    broker: RedisBroker, redis_client: redis.Redis
) -> None:
    redis_client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(BrokerUnavailable, match=r"read-only|read only"):
            publish(broker, ANNA)
    finally:
        redis_client.replicaof("NO", "ONE")
    wait_in_loop(lambda: is_up(broker))
    publish(broker, ANNA)


def test_user_with_the_documented_rights_is_enough(
    redis_server: RedisServer,
    redis_client: redis.Redis,
    start_redis_broker: StartBroker,
    start_presence: Callable[..., Presence],
    ear: Ear,
) -> None:
    rights = (
        "on >pw resetkeys ~restaurant:* resetchannels &restaurant:* -@all "
        "+@connection +@pubsub +@scripting +@stream +@hash +@sortedset +del +pexpire +time +info"
    )
    redis_client.execute_command("ACL", "SETUSER", "restaurant", *rights.split())
    try:
        url = f"redis://restaurant:pw@127.0.0.1:{redis_server.port}/0"
        broker = start_redis_broker(ear, url=url)
        broker.subscribe(ANNA)
        publish(broker, ANNA, times=40)
        presence = start_presence(broker, session=1)
        wait_in_loop(lambda: len(ear.events[ANNA]) == 40)
        assert presence.total() == {"session": 1}
        presence.stop()
        broker.stop()
    finally:
        redis_client.acl_deluser("restaurant")


# -- callers that stop waiting -----------------------------------------------------------


def test_killed_caller_does_not_disturb_the_connection(
    broker: RedisBroker, redis_server: RedisServer
) -> None:
    publish(broker, ANNA)
    redis_server.freeze()
    callers = [gevent.spawn(broker.tip, ANNA) for _ in range(10)]
    pass_turn()
    gevent.killall(callers)
    redis_server.thaw()
    assert broker.tip(BEN).offset == 0
    assert broker.tip(ANNA).offset == 1


def test_timeout_of_a_caller_reaches_the_caller(
    broker: RedisBroker, redis_server: RedisServer
) -> None:
    redis_server.freeze()
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
        broker.tip(ANNA)
    redis_server.thaw()
    assert broker.tip(ANNA).offset == 0


def test_callers_beyond_the_limit_fail_at_once(
    broker: RedisBroker, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_WAITING", 5)
    redis_server.freeze()
    callers = [gevent.spawn(broker.tip, ANNA) for _ in range(5)]
    pass_turn()
    callers += [gevent.spawn(broker.tip, ANNA) for _ in range(5)]
    pass_turn()
    with never_waits(), pytest.raises(BrokerUnavailable, match="5 calls wait"):
        broker.tip(ANNA)
    redis_server.thaw()
    gevent.joinall(callers, raise_error=True)


def test_next_caller_does_not_get_the_answer_of_a_killed_one(
    redis_server: RedisServer,
) -> None:
    """Batches of refreshes use redis-py's own pool."""
    with redis.Redis(port=redis_server.port, decode_responses=True) as client:
        client.mset({"ours": "ours", "another's": "another's"})
        redis_server.freeze()
        caller = gevent.spawn(client.get, "another's")
        pass_turn()
        caller.kill()
        redis_server.thaw()
        assert client.get("ours") == "ours"


# -- the sink ----------------------------------------------------------------------------


class _RaisingSink(Ear):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def deliver(self, channel: str, event: object) -> None:
        self.calls += 1
        raise RuntimeError("no")

    resync = deliver  # type: ignore[assignment]


def test_sink_that_raises_loses_that_event_only(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    raising = _RaisingSink()
    broker = start_redis_broker(raising)
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    wait_in_loop(lambda: raising.calls == 1)
    redis_client.flushall()
    publish(broker, ANNA)
    wait_in_loop(lambda: raising.calls == 2)
    broker._feed.sink = ear
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.offsets(ANNA) == [2])
    assert is_up(broker)
