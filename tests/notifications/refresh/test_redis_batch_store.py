"""Batches shared through Redis: several workers, workers that die, a Redis that loses data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.errors import BrokerUnavailable
from notifications.events.cache_refresh import AffectedData
from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from notifications.refresh.batch import Batch
from notifications.refresh.batch_store import MemoryBatches
from notifications.refresh.redis_batch_store import RedisBatches
from notifications.refresh.service import CacheRefreshService
from notifications.refresh.trigger import Priority, Trigger
from tests.support.redis_server import RedisServer

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0
ANNA = "main:waiter:anna"
KEYS = RedisKeys("restaurant:")

MakeLink = Callable[[], RedisLink]


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis_server.client() as client:
        yield client


class Worker:
    """One of several processes that share the batches."""

    def __init__(self, link: RedisLink, history: dict[str, Batch]) -> None:
        self.now = NOW
        self.is_dying = False
        self._history = history
        self.refresh = CacheRefreshService(
            self._publish, batches=RedisBatches(link, KEYS), clock=lambda: self.now
        )

    def _publish(self, channel: str, batch: Batch) -> None:
        """Publish as the broker does: once per key."""
        self._history.setdefault(batch.id, batch)
        if self.is_dying:
            raise SystemExit


@pytest.fixture
def history() -> dict[str, Batch]:
    return {}


@pytest.fixture
def workers(make_link: MakeLink, history: dict[str, Batch]) -> list[Worker]:
    return [Worker(make_link(), history) for _ in range(3)]


@pytest.fixture
def batches(make_link: MakeLink) -> RedisBatches:
    return RedisBatches(make_link(), KEYS)


def test_triggers_from_several_workers_become_one_event(
    workers: list[Worker], history: dict[str, Batch]
) -> None:
    for number, worker in enumerate(workers):
        worker.refresh.trigger_orders_refresh(waiter_id="anna", order_ids=[f"ord-{number}"])
    sent = [worker.refresh.send_due(NOW + 0.2) for worker in workers]
    assert sent == [1, 0, 0]
    (batch,) = history.values()
    assert batch.affected_ids == ("ord-0", "ord-1", "ord-2")


def test_batch_of_a_worker_that_died_is_sent_by_another(
    workers: list[Worker], history: dict[str, Batch]
) -> None:
    dead, alive, _ = workers
    dead.refresh.trigger_orders_refresh(waiter_id="anna")
    assert alive.refresh.send_due(NOW + 0.2) == 1
    assert len(history) == 1


def test_worker_that_dies_after_publishing_a_batch_causes_no_second_event(
    workers: list[Worker], history: dict[str, Batch]
) -> None:
    dying, alive, _ = workers
    dying.refresh.trigger_orders_refresh(waiter_id="anna")
    dying.is_dying = True
    with pytest.raises(SystemExit):
        dying.refresh.send_due(NOW + 0.2)

    assert alive.refresh.send_due(NOW + 10.1) == 0
    assert alive.refresh.send_due(NOW + 10.2) == 1
    assert len(history) == 1
    assert alive.refresh.refresh_stats().pending == 0


def test_worker_with_a_slow_clock_loses_and_repeats_no_refresh(
    workers: list[Worker], history: dict[str, Batch]
) -> None:
    slow, right, _ = workers
    slow.now = NOW - 3
    right.refresh.trigger_orders_refresh(waiter_id="anna")
    slow.refresh.trigger_orders_refresh(waiter_id="anna")
    assert slow.refresh.send_due(slow.now) + right.refresh.send_due(NOW + 0.2) == 1
    assert len(history) == 1


def test_refreshes_continue_after_redis_loses_everything(
    client: redis.Redis, workers: list[Worker], history: dict[str, Batch]
) -> None:
    workers[0].refresh.trigger_orders_refresh(waiter_id="anna", order_ids=["ord-1"])
    client.flushall()
    client.script_flush()
    assert workers[0].refresh.send_due(NOW + 1) == 0
    workers[0].refresh.trigger_orders_refresh(waiter_id="anna", order_ids=["ord-2"])
    assert workers[1].refresh.send_due(NOW + 1) == 1
    assert [batch.affected_ids for batch in history.values()] == [("ord-2",)]


def test_without_redis_a_trigger_fails_and_the_stats_are_unknown(
    redis_server: RedisServer, workers: list[Worker]
) -> None:
    redis_server.stop()
    with pytest.raises(BrokerUnavailable):
        workers[0].refresh.trigger_orders_refresh(waiter_id="anna")
    assert workers[0].refresh.refresh_stats().pending is None
    assert workers[0].refresh.drain() == 0


def test_every_key_expires_and_has_one_hash_tag(client: redis.Redis, batches: RedisBatches) -> None:
    trigger = Trigger.checked(["orders"], "high")
    for number in range(40):
        batches.add(f"main:waiter:w{number}", trigger, NOW)
    batches.lease_due(NOW + 1, 20)
    batches.postpone(batches.lease_due(NOW + 1, 1)[0], NOW + 2)

    keys = batch_keys(client)
    assert {key.rsplit(":")[-1] for key in keys} == {"due", "collecting", "sending"}
    for key in keys:
        assert 0 < client.ttl(key) <= 24 * 3600
    assert {key[key.index("{") : key.index("}") + 1] for key in keys} == {"{refresh}"}
    for batch in batches.lease_due(NOW + 99, 99):
        batches.done(batch)
    assert batches.pending() == 0
    assert batch_keys(client) == []


def batch_keys(client: redis.Redis) -> list[str]:
    return list(client.scan_iter(match="*refresh*"))


def test_batches_due_together_cost_few_scripts(
    client: redis.Redis, workers: list[Worker], history: dict[str, Batch]
) -> None:
    refresh = workers[0].refresh
    refresh.refresh_stats()  # connecting runs a script of its own
    client.config_resetstat()
    for number in range(10):
        refresh.trigger_status_change_refresh(
            session_id=f"table-{number}",
            waiter_id=f"waiter-{number}",
            affected_data=["orders"],
            affected_ids=[f"ord-{number}"],
        )
    assert scripts_run(client) == 10, "one script for the four triggers of a change"

    client.config_resetstat()
    assert refresh.send_due(NOW + 0.2) == 20
    # One lease, one report that the batches are done, and one lease that finds no more.
    assert scripts_run(client) == 3
    assert {batch.triggers for batch in history.values()} == {2}


def scripts_run(client: redis.Redis) -> int:
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))


gaps_ms = st.integers(min_value=0, max_value=1500)
triggers = st.builds(
    Trigger.checked,
    st.lists(st.sampled_from(AffectedData), min_size=1, max_size=3),
    st.sampled_from(Priority),
    reason=st.sampled_from([None, *(f"reason {number}" for number in range(25))]),
    ids=st.lists(st.sampled_from([f"id-{number}" for number in range(230)]), max_size=30),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(arrivals=st.lists(st.tuples(gaps_ms, triggers), min_size=1, max_size=30))
def test_lua_joins_triggers_by_the_same_rule_as_python(
    client: redis.Redis, batches: RedisBatches, arrivals: list[tuple[int, Trigger]]
) -> None:
    client.flushall()
    memory, shared = MemoryBatches(), batches
    now_ms = round(NOW * 1000)
    for gap_ms, trigger in arrivals:
        now_ms += gap_ms
        now = now_ms / 1000
        due_at = memory.add(ANNA, trigger, now)
        assert shared.add(ANNA, trigger, now) == pytest.approx(due_at, rel=0, abs=0.0006)

    ours, theirs = memory.lease_channel(ANNA, NOW), shared.lease_channel(ANNA, NOW)
    assert ours is not None
    assert theirs is not None
    for moment in ("first_at", "due_at", "latest_at"):
        assert getattr(theirs, moment) == pytest.approx(getattr(ours, moment), rel=0, abs=0.0006)
    same = {name: getattr(ours, name) for name in ("id", "first_at", "due_at", "latest_at")}
    assert replace(theirs, **same) == ours


def test_workers_use_the_clock_of_redis_even_if_their_own_is_wrong(
    client: redis.Redis, make_link: MakeLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = make_link()
    seconds, microseconds = client.time()
    with monkeypatch.context() as patched:
        patched.setattr("time.time", lambda: NOW - 3600.0)
        batches = RedisBatches(link, KEYS)
    assert batches.clock() == pytest.approx(NOW - 3600.0, abs=5)

    assert batches.lease_due(batches.clock(), 10) == []

    assert batches.clock() == pytest.approx(seconds + microseconds / 1e6, abs=5)


def test_batches_added_by_a_fast_clock_are_due_after_its_correction(
    batches: RedisBatches,
) -> None:
    orders = Trigger.checked(["orders"], "high")
    an_hour_ahead = NOW + 3600.0
    batches.add(ANNA, orders, an_hour_ahead)
    (leased,) = batches.lease_due(NOW, 10)
    assert leased.channel == ANNA
    batches.done(leased)

    # The lease of a sender that died while the clock was fast does not hold its batch either.
    batches.add(ANNA, orders, an_hour_ahead)
    assert batches.lease_due(an_hour_ahead + 1, 10)
    assert batches.lease_channel(ANNA, NOW)
