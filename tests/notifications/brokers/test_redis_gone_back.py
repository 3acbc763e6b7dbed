"""Redis continues with older data, or becomes a replica: streams resync and miss no event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
import redis

from notifications.brokers.base import Broker
from notifications.brokers.redis.broker import RedisBroker
from notifications.errors import BrokerUnavailable, BrokerUnusable
from notifications.events.encoding import body
from notifications.events.heartbeat import Heartbeat
from tests.support.deaf_proxy import DeafProxy
from tests.support.ear import Ear
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.streams import wait_in_loop

pytestmark = pytest.mark.redis

RIGHTS_WITHOUT_INFO = ("on", ">pw", "~*", "&*", "+@all", "-info")

ANNA, BEN = "main:waiter:anna", "main:waiter:ben"
BODY = body(Heartbeat(timestamp=datetime(2024, 1, 15, tzinfo=UTC)))

StartBroker = Callable[..., RedisBroker]

_keys = (f"key-{number}" for number in count())


def publish(broker: Broker, *channels: str, times: int = 1) -> None:
    for _ in range(times):
        broker.publish(channels, BODY, key=next(_keys))


@pytest.fixture
def second_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Another Redis, empty."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def second_client(second_server: RedisServer) -> Iterator[redis.Redis]:
    with second_server.client() as client:
        yield client


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[DeafProxy]:
    proxy = DeafProxy(redis_server.port)
    yield proxy
    proxy.close()


def follow(replica: redis.Redis, primary: RedisServer) -> None:
    """Make ``replica`` a replica, and wait until it has all data of the primary."""
    replica.replicaof("127.0.0.1", str(primary.port))
    wait_in_loop(lambda: replica.info("replication")["master_link_status"] == "up", timeout=20)


@pytest.fixture(autouse=True)
def quick_sync(redis_server: RedisServer, second_server: RedisServer) -> None:
    for server in (redis_server, second_server):
        with server.client() as client:
            client.config_set("repl-diskless-sync-delay", 0)


def test_server_with_older_data_causes_one_resync_per_channel(
    start_redis_broker: StartBroker,
    ear: Ear,
    redis_server: RedisServer,
    redis_client: redis.Redis,
    second_server: RedisServer,
    second_client: redis.Redis,
) -> None:
    broker = start_redis_broker(ear)
    broker.subscribe(ANNA)
    broker.subscribe(BEN)
    publish(broker, ANNA, times=2)
    follow(second_client, redis_server)
    second_client.replicaof("NO", "ONE")
    publish(broker, ANNA, times=3)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 5)
    before = broker.tip(ANNA)

    # The server keeps its run id, and no connection breaks.
    follow(redis_client, second_server)
    redis_client.replicaof("NO", "ONE")
    publish(broker, ANNA)
    wait_in_loop(lambda: len(ear.resyncs) == 2)

    assert sorted(channel for channel, _ in ear.resyncs) == [ANNA, BEN]
    assert broker.read(ANNA, before, 10).is_gap
    publish(broker, ANNA, BEN)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 6 and len(ear.events[BEN]) == 1)
    assert len(ear.resyncs) == 2


def test_processes_that_notice_one_after_another_cause_one_resync(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker, other_ear = start_redis_broker(ear), Ear()
    other = start_redis_broker(other_ear)
    broker.subscribe(ANNA)
    other.subscribe(ANNA)
    publish(broker, ANNA, times=2)
    wait_in_loop(lambda: len(ear.events[ANNA]) == len(other_ear.events[ANNA]) == 2)

    # The histories now seem to belong to another server. A process notices when it connects.
    redis_client.hset("restaurant:{deployment}:state", "server", "another")
    redis_client.client_kill_filter(_type="normal", skipme=True)
    publish(other, ANNA)
    for _ in range(20):
        publish(broker, ANNA)
        publish(other, ANNA)
    wait_in_loop(lambda: ear.resyncs and other_ear.resyncs)
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.offsets(ANNA)[-1] == other_ear.offsets(ANNA)[-1] == 42)
    assert len(ear.resyncs) == len(other_ear.resyncs) == 1


def test_process_with_an_older_generation_is_corrected_and_ends_no_epoch(
    start_redis_broker: StartBroker, ear: Ear, redis_client: redis.Redis
) -> None:
    broker, newer = start_redis_broker(ear), start_redis_broker(Ear())
    publish(broker, ANNA)
    newer.link.generation.begin(newer.link.generation.number + 1)
    publish(newer, ANNA)
    epoch = newer.tip(ANNA).epoch
    publish(broker, ANNA)
    assert broker.tip(ANNA) == newer.tip(ANNA)
    assert (broker.tip(ANNA).epoch, broker.tip(ANNA).offset) == (epoch, 2)
    assert redis_client.hget("restaurant:{deployment}:state", "generation") == str(
        newer.link.generation.number
    )


def test_replica_is_reported_and_logged_once_when_found_and_once_when_gone(
    start_redis_broker: StartBroker,
    ear: Ear,
    redis_client: redis.Redis,
    second_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "notifications.redis")
    broker = start_redis_broker(ear)
    broker.subscribe(ANNA)
    caplog.clear()
    follow(redis_client, second_server)
    for _ in range(20):
        with pytest.raises(BrokerUnavailable, match="read-only replica of"):
            publish(broker, ANNA)
        wait_in_loop(lambda: broker.is_away)
    assert "read-only replica of" in (broker.status().detail or "")
    redis_client.replicaof("NO", "ONE")
    wait_in_loop(lambda: broker.status().is_up and ear.resyncs)
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.events[ANNA])

    said = [record.getMessage() for record in caplog.records]
    assert len([each for each in said if "Redis is away" in each]) == 1
    assert said.count("Redis is back") == 1
    assert len(ear.resyncs) == 1


def test_name_is_resolved_again_until_a_primary_answers(
    start_redis_broker: StartBroker,
    ear: Ear,
    proxy: DeafProxy,
    redis_server: RedisServer,
    redis_client: redis.Redis,
    second_server: RedisServer,
    second_client: redis.Redis,
) -> None:
    """In a failover the replica is promoted and the former primary becomes its replica."""
    follow(second_client, redis_server)
    broker = start_redis_broker(ear, url=proxy.url)
    broker.subscribe(ANNA)
    publish(broker, ANNA)
    wait_in_loop(lambda: ear.events[ANNA])
    second_client.replicaof("NO", "ONE")
    redis_client.replicaof("127.0.0.1", str(second_server.port))
    with pytest.raises(BrokerUnavailable):
        publish(broker, ANNA)
    proxy.lead_to(second_server.port)
    wait_in_loop(lambda: broker.status().is_up and ear.resyncs)
    publish(broker, ANNA)
    wait_in_loop(lambda: len(ear.events[ANNA]) == 2)
    assert len(ear.resyncs) == 1
    assert second_client.exists("restaurant:{main}:waiter:anna:log")


@pytest.fixture
def url_without_info(redis_server: RedisServer, redis_client: redis.Redis) -> Iterator[str]:
    """The URL of a user who may do everything except run INFO."""
    redis_client.execute_command("ACL", "SETUSER", "blind", *RIGHTS_WITHOUT_INFO)
    yield f"redis://blind:pw@127.0.0.1:{redis_server.port}/0"
    redis_client.acl_deluser("blind")


def test_server_that_refuses_info_cannot_be_used(
    start_redis_broker: StartBroker, ear: Ear, url_without_info: str
) -> None:
    broker = start_redis_broker(ear, url=url_without_info, wait=False)
    with pytest.raises(BrokerUnavailable, match="INFO"):
        publish(broker, ANNA)
    with pytest.raises(BrokerUnusable, match=r"allow the command INFO to this user"):
        broker.check()


def test_service_does_not_start_when_redis_refuses_info(
    start_server: Callable[..., ServiceServer], url_without_info: str
) -> None:
    server = start_server(start=False, REDIS_URL=url_without_info)
    server.expected_errors += ["cannot start", "exited with code", "Shutting down", "Worker failed"]
    server.start(wait=False)
    assert server.wait_exit() != 0
    server.kill()
    assert "allow the command INFO to this user (ACL SETUSER ... +info)" in server.log
    assert "Traceback" not in server.log
