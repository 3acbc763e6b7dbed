"""Two deployments never share a prefix: the second gets an error, and no data is mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
import redis

from notifications.brokers.redis.broker import RedisBroker
from notifications.errors import BrokerUnavailable, PrefixTaken
from notifications.redis import checks, link, mark
from tests.notifications.brokers.test_redis_memory import ANNA, BODY
from tests.support.ear import Ear
from tests.support.redis_server import RedisServer
from tests.support.streams import wait_in_loop

pytestmark = pytest.mark.redis

MARK = "restaurant:{deployment}:mark"

StartDeployment = Callable[..., RedisBroker]

_keys = (f"key-{number}" for number in count())


def publish(broker: RedisBroker) -> None:
    broker.publish([ANNA], BODY, key=next(_keys))


@pytest.fixture
def start_deployment(redis_server: RedisServer) -> Iterator[StartDeployment]:
    """Start a process of a deployment: ``start_deployment("north", ear)``."""
    brokers: list[RedisBroker] = []

    def start(deployment: str, ear: Ear) -> RedisBroker:
        brokers.append(broker := RedisBroker(redis_server.url, deployment=deployment))
        broker.check()
        broker.start(ear)
        wait_in_loop(lambda: broker.status().is_up)
        return broker

    yield start
    for broker in brokers:
        broker.stop()


@pytest.fixture
def quick_renewal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mark, "RENEWAL_SECONDS", 0.05)
    monkeypatch.setattr(checks, "RENEWAL_SECONDS", 0.05)
    monkeypatch.setattr(link, "RENEWAL_SECONDS", 0.05)


def test_processes_of_one_deployment_share_its_mark(
    start_deployment: StartDeployment, ear: Ear, redis_client: redis.Redis
) -> None:
    start_deployment("north", ear)
    start_deployment("north", Ear())
    assert 55 < redis_client.ttl(MARK) <= 60


def test_second_deployment_under_one_prefix_gets_an_error_with_the_remedy(
    start_deployment: StartDeployment, ear: Ear, redis_client: redis.Redis
) -> None:
    north = start_deployment("north", ear)
    with pytest.raises(PrefixTaken, match=r"'restaurant:'.* set a REDIS_PREFIX of its own"):
        start_deployment("south", Ear())
    publish(north)
    assert redis_client.hget(MARK, "deployment") == "north"


@pytest.mark.usefixtures("quick_renewal")
def test_mark_is_renewed_even_without_events(
    start_deployment: StartDeployment, ear: Ear, redis_client: redis.Redis
) -> None:
    start_deployment("north", ear)
    redis_client.expire(MARK, 5)
    wait_in_loop(lambda: redis_client.ttl(MARK) > 55)


@pytest.mark.usefixtures("quick_renewal")
def test_process_that_finds_the_mark_of_another_deployment_pauses_until_it_is_gone(
    start_deployment: StartDeployment, ear: Ear, redis_client: redis.Redis
) -> None:
    north = start_deployment("north", ear)
    north.subscribe(ANNA)
    publish(north)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1])

    # Redis was emptied, and the south reconnected before the north did.
    redis_client.hset(MARK, "deployment", "south")
    wait_in_loop(lambda: not north.status().is_up)
    assert "another deployment" in str(north.status().detail)
    assert north.is_away
    with pytest.raises(BrokerUnavailable, match="another deployment"):
        publish(north)
    epoch = ear.events[ANNA][0].epoch
    redis_client.publish("restaurant:{main}:waiter:anna:live", f"{epoch}-2\n".encode() + BODY)
    wait_in_loop(
        lambda: redis_client.pubsub_numsub("restaurant:{main}:waiter:anna:live")[0][1] == 0
    )
    assert ear.offsets(ANNA) == [1]

    redis_client.delete(MARK)
    wait_in_loop(lambda: north.status().is_up)
    assert redis_client.hget(MARK, "deployment") == "north"
    publish(north)
    wait_in_loop(lambda: ear.offsets(ANNA) == [1, 2])
    assert ear.resyncs == []


def test_history_of_another_deployment_is_never_used(
    start_deployment: StartDeployment, ear: Ear, redis_client: redis.Redis
) -> None:
    north = start_deployment("north", ear)
    publish(north)
    place = north.tip(ANNA)
    north.stop()
    redis_client.delete(MARK)

    south = start_deployment("south", Ear())
    assert south.read(ANNA, place, 10).is_gap
    assert south.tip(ANNA).offset == 0
    own = south.tip(ANNA)
    south.stop()
    again = start_deployment("south", Ear())
    assert again.tip(ANNA) == own, "a restart costs nothing"


def test_history_without_a_mark_is_continued(
    start_redis_broker: Callable[..., RedisBroker],
    start_deployment: StartDeployment,
    ear: Ear,
) -> None:
    before = start_redis_broker(Ear())
    publish(before)
    place = before.tip(ANNA)
    assert start_deployment("north", ear).tip(ANNA) == place
