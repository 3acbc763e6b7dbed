"""What the service stores in Redis, and for how long."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count

import pytest
import redis
from redis.crc import key_slot

from notifications.brokers import base
from notifications.brokers.base import Broker, HistoryLimits
from notifications.brokers.presence import Presence
from notifications.brokers.redis import probe
from notifications.brokers.redis.broker import RedisBroker
from notifications.events.encoding import EventId, body
from notifications.events.heartbeat import Heartbeat
from notifications.redis.keys import RedisKeys
from tests.support.ear import Ear
from tests.support.programs import REPOSITORY
from tests.support.streams import wait_in_loop

pytestmark = pytest.mark.redis

ANNA, TABLE = "main:waiter:anna", "main:session:table-5"
META, LOG, SEEN = (f"restaurant:{{main}}:waiter:anna:{name}" for name in ("meta", "log", "seen"))
BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))

StartBroker = Callable[..., RedisBroker]

_keys = (f"key-{number}" for number in count())


def publish(broker: Broker, *channels: str, times: int = 1) -> None:
    for _ in range(times):
        broker.publish(channels, BODY, key=next(_keys))


@pytest.fixture
def short_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let keys and epochs live for seconds instead of minutes."""
    monkeypatch.setattr(base, "MIN_KEEP_SECONDS", 2.0)
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.05)


def test_everything_has_our_prefix_and_expires(
    start_redis_broker: StartBroker,
    start_presence: Callable[..., Presence],
    ear: Ear,
    redis_client: redis.Redis,
) -> None:
    broker = start_redis_broker(ear)
    broker.subscribe(TABLE)
    publish(broker, ANNA, TABLE)
    start_presence(broker, session=1)
    wait_in_loop(lambda: redis_client.exists("restaurant:reports"))
    lives = {key: redis_client.ttl(key) for key in redis_client.scan_iter()}
    assert {key.split(":")[0] for key in lives} == {"restaurant"}
    assert 0 < lives.pop("restaurant:reports") <= 5
    # The state lives longer than any history.
    assert lives.pop("restaurant:{deployment}:state") > 1.5 * 7 * 86_400
    assert len(lives) == 6
    assert all(0 < seconds <= 1.5 * 3600 for seconds in lives.values())


def test_keys_of_one_venue_have_one_cluster_slot(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear)
    publish(broker, ANNA, TABLE)
    publish(broker, "north:waiter:carla", "north:floor:north")
    slots = {key: key_slot(key.encode()) for key in redis_client.scan_iter()}
    del slots["restaurant:{deployment}:state"]
    assert len(slots) == 12
    for venue_id in ("main", "north"):
        assert len({slot for key, slot in slots.items() if f"{{{venue_id}}}" in key}) == 1
    assert len(set(slots.values())) == 2


@pytest.mark.usefixtures("short_lives")
def test_silent_channel_leaves_no_keys(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear, HistoryLimits(max_age_seconds=0.2))
    publish(broker, ANNA, times=5)
    wait_in_loop(lambda: not redis_client.exists(META, LOG, SEEN))


@pytest.mark.usefixtures("short_lives")
def test_channel_with_a_follower_keeps_its_epoch(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear, HistoryLimits(max_age_seconds=0.2))
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    publish(broker, TABLE)
    wait_in_loop(lambda: not redis_client.exists("restaurant:{main}:session:table-5:meta"))
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1, 2])
    assert ear.resyncs == []


@pytest.mark.usefixtures("short_lives")
def test_channels_place_lives_half_longer_than_its_history(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear)
    publish(broker, ANNA)
    assert 3600 < redis_client.ttl(META) <= 5400
    assert redis_client.ttl(LOG) <= 3600


def test_byte_count_is_exact_after_every_trim(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear, HistoryLimits(max_events=70, max_bytes=3000))
    for size in range(200):
        data = b"event: x\ndata: " + b"x" * (size * 7 % 100) + b"\n"
        broker.publish([ANNA], data, key=next(_keys))
        if size % 20:
            continue
        tip = broker.tip(ANNA)
        kept = redis_client.xlen(LOG)
        events = broker.read(ANNA, EventId(tip.epoch, tip.offset - kept), 1000).events
        assert len(events) == kept
        stored = sum(len(event.block) for event in events)
        assert int(redis_client.hget(META, "bytes") or 0) == stored
        assert stored <= 3000


@pytest.mark.usefixtures("short_lives")
def test_byte_count_starts_again_after_the_log_expired(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear, HistoryLimits(max_age_seconds=0.1))
    broker.subscribe(ANNA)
    publish(broker, ANNA, times=5)
    wait_in_loop(lambda: not redis_client.exists(LOG))
    publish(broker, ANNA)
    assert int(redis_client.hget(META, "bytes") or 0) == len(ear.events[ANNA][0].block)


@pytest.mark.usefixtures("short_lives")
def test_old_idempotency_keys_are_removed(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker = start_redis_broker(ear, HistoryLimits(max_age_seconds=0.2))

    def are_old_keys_gone() -> bool:
        publish(broker, ANNA, times=8)
        return redis_client.zcard(SEEN) < broker.tip(ANNA).offset - 64

    wait_in_loop(are_old_keys_gone)


@pytest.mark.parametrize(("age_seconds", "is_remembered"), [(0, True), (50, True), (70, False)])
def test_key_is_remembered_for_its_time_however_many_come(
    start_redis_broker: StartBroker,
    ear: Ear,
    redis_client: redis.Redis,
    age_seconds: int,
    is_remembered: bool,
) -> None:
    broker = start_redis_broker(ear)
    broker.publish([ANNA], BODY, key="first")
    then_ms = (redis_client.time()[0] - age_seconds) * 1000
    redis_client.zadd(SEEN, {"first": then_ms})
    # More than are kept; all have come since.
    redis_client.zadd(SEEN, {f"other-{number}": then_ms + 1 for number in range(11_000)})
    publish(broker, ANNA, times=32)

    assert (redis_client.zcard(SEEN) > 11_000) is is_remembered
    before = broker.tip(ANNA).offset
    broker.publish([ANNA], BODY, key="first")
    assert (broker.tip(ANNA).offset == before) is is_remembered


def test_session_uses_as_much_memory_as_the_readme_says(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    said = re.search(
        r"takes (\S+) KB of Redis before its first event, (\S+) KB with 12 events of 300 bytes, "
        r"(\S+) KB with 20 of 400, and (\S+) KB more for each worker that follows it",
        " ".join((REPOSITORY / "README.md").read_text().split()),
    )
    assert said

    broker = start_redis_broker(ear)
    quiet, busy = (
        [f"main:session:{kind}-{number}" for number in range(500)] for kind in ("q", "b")
    )

    def used_bytes() -> int:
        """Return what Redis uses without the buffers of its clients, which it resizes at times."""
        with redis_client.pipeline() as at_once:
            at_once.info("memory")
            at_once.client_list()
            memory, clients = at_once.execute()
        buffers = ("qbuf", "qbuf-free", "argv-mem", "multi-mem", "rbs", "omem")
        used: int = memory["used_memory"]
        return used - sum(int(client[name]) for client in clients for name in buffers)

    def stored_kb(sessions: list[str]) -> float:
        """Return what the keys of a session use, without the tables in which Redis finds keys.

        Redis doubles those at times, and a test must not depend on when.
        """
        with redis_client.pipeline(transaction=False) as at_once:
            for session in sessions:
                for key in RedisKeys("restaurant:").history(session):
                    at_once.memory_usage(key, samples=0)
            return sum(used or 0 for used in at_once.execute()) / len(sessions) / 1000

    def cost_kb(*doings: Callable[[], object]) -> float:
        before = used_bytes()
        for do in doings:
            do()
        return (used_bytes() - before) / 500 / 1000

    def events(sessions: list[str], number: int, size: int) -> list[Callable[[], object]]:
        event_body = b"data: " + b"x" * (size - 7) + b"\n"
        return [lambda: broker.publish(sessions, event_body, key=uuid.uuid4().hex)] * number

    # What is needed only once comes before the measurement: scripts, connections, buffers.
    broker.publish(
        [f"main:waiter:{number}" for number in range(500)], b"data: x\n" * 50, key="first"
    )
    broker.tip("main:waiter:0")
    used_bytes()

    for session in quiet:
        broker.tip(session)
    empty = stored_kb(quiet)
    dozen = empty + cost_kb(*events(quiet, 12, 300))
    score = cost_kb(*events(busy, 20, 400))
    follower = cost_kb(*(partial(broker.subscribe, each) for each in quiet))
    measured = (empty, dozen, score, follower)
    for promised, kb in zip(map(float, said.groups()), measured, strict=True):
        # A session costs no more than promised, and more than a quarter of it.
        assert promised / 4 < kb <= promised, measured
