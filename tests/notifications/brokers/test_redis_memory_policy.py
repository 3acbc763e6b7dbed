"""A Redis that evicts keys causes a warning that names the remedy."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
import redis

from notifications.brokers.redis.broker import RedisBroker
from notifications.redis import checks, link
from tests.notifications.brokers.test_redis_memory import ANNA, BODY
from tests.support.ear import Ear
from tests.support.streams import wait_in_loop

pytestmark = pytest.mark.redis

StartBroker = Callable[..., RedisBroker]


@pytest.fixture
def set_memory(redis_client: redis.Redis) -> Iterator[Callable[..., None]]:
    """Set the memory policy and limit of Redis. The former values return after the test."""
    policy_before = redis_client.config_get("maxmemory-policy")["maxmemory-policy"]
    assert policy_before is not None

    def set_memory(*, policy: str, limit_bytes: int = 0) -> None:
        redis_client.config_set("maxmemory-policy", policy)
        redis_client.config_set("maxmemory", limit_bytes)

    yield set_memory
    set_memory(policy=policy_before)
    redis_client.config_resetstat()


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.levelno >= logging.WARNING]


def test_policy_that_evicts_is_warned_of_once_at_the_start(
    start_redis_broker: StartBroker,
    ear: Ear,
    set_memory: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_memory(policy="allkeys-lru")
    start_redis_broker(ear)
    (message,) = messages(caplog)
    assert "set its maxmemory-policy to noeviction" in message


def test_policy_that_keeps_everything_causes_no_warning(
    start_redis_broker: StartBroker, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    start_redis_broker(ear)
    assert messages(caplog) == []


def test_eviction_is_counted_and_logged(
    start_redis_broker: StartBroker,
    ear: Ear,
    redis_client: redis.Redis,
    set_memory: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(checks, "RENEWAL_SECONDS", 0.05)
    monkeypatch.setattr(link, "RENEWAL_SECONDS", 0.05)
    broker = start_redis_broker(ear)
    broker.publish([ANNA], BODY, key="key")
    assert broker.evicted_keys == 0
    for number in range(200):
        redis_client.set(f"another:{number}", 10_000 * "x")
    used = int(redis_client.info("memory")["used_memory"])
    set_memory(policy="allkeys-random", limit_bytes=used - 1_000_000)
    wait_in_loop(lambda: broker.evicted_keys > 0)
    assert any("Redis has evicted keys" in message for message in messages(caplog))
