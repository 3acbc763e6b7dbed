"""Two instances of two workers behind nginx act as one service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from notifications.refresh.trigger import Priority
from tests.support.deployment import Deployment
from tests.support.metrics import Figures
from tests.support.nginx_server import NginxServer
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer, open_restaurant
from tests.support.sse_client import SseClient
from tests.support.tls_sse_client import Http2SseClient
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nginx, pytest.mark.redis, pytest.mark.postgres]

_numbers = count(1)


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, _redis: RedisServer, _postgres: PostgresServer
) -> Iterator[Deployment]:
    """One deployment for all tests here, because it takes ten seconds to start and stop."""
    _redis.reset()
    _postgres.start()
    name = _postgres.create_database()
    url = _postgres.url(name)
    open_restaurant(url)
    with ExitStack() as stack:
        stack.callback(_postgres.drop_database, name)

        def start_server(*, start: bool, DATABASE_URL: str, **env: object) -> ServiceServer:  # noqa: N803
            server = ServiceServer(tmp_path_factory.mktemp("server"), DATABASE_URL, **env)
            stack.callback(server.close)
            return server

        def make_nginx(*instances: ServiceServer) -> NginxServer:
            directory: Path = tmp_path_factory.mktemp("nginx")
            nginx = NginxServer(directory, [instance.port for instance in instances])
            stack.callback(nginx.stop)
            return nginx

        deployment = Deployment.start(start_server, make_nginx, _redis, _postgres, url)
        yield deployment
        deployment.stop()


class Table:
    """A session with an order, its waiter, and their streams on every worker."""

    def __init__(self, deployment: Deployment) -> None:
        number = next(_numbers)
        self.session_id, self.waiter_id = f"table-1{number:03}", f"waiter-{number}"
        self.order_id = f"order-{number}"
        self.guests: list[SseClient] = []
        self.waiters: list[SseClient] = []
        self._deployment = deployment
        service = deployment.service
        service.add_waiter(self.waiter_id, "Willa")
        service.open_session(1000 + number, self.waiter_id, session_id=self.session_id)
        service.place_order(
            self.session_id, [{"name": "Tea", "quantity": 1}], order_id=self.order_id
        )
        wait_until(lambda: service.pending_count() == 0, message="not announced")

    @property
    def streams(self) -> list[SseClient]:
        return self.guests + self.waiters

    def listen_everywhere(self) -> None:
        """Open streams of both kinds until every worker has some."""
        # nginx may keep connections open between calls. Their number only falls here.
        before = self._deployment.connections()
        while len(self.streams) < 16 or any(
            now < before[pid] + 2 for pid, now in self._deployment.connections().items()
        ):
            assert len(self.streams) < 100, "one worker never gets a stream"
            self.guests.append(self.listen("customer", "session", self.session_id))
            self.waiters.append(self.listen("waiter", "waiter", self.waiter_id))

    def listen(self, role: str, kind: str, who: str, **kwargs: str | None) -> SseClient:
        client = Http2SseClient(
            f"{self._deployment.nginx.url}/sse/{kind}/{who}",
            tls=self._deployment.nginx.tls("h2"),
            token=self._deployment.token(role, who),
            **kwargs,
        )
        client.next("connection")
        return client

    def listen_again(self, client: SseClient) -> SseClient:
        """Continue after ``client``, which has ended."""
        kind, who = client.url.split("/")[-2:]
        role = "customer" if kind == "session" else "waiter"
        return self.listen(role, kind, who, last_event_id=client.last_event_id)

    def close(self) -> None:
        for client in self.streams:
            client.close()


@pytest.fixture
def table(deployment: Deployment) -> Iterator[Table]:
    table = Table(deployment)
    yield table
    table.close()
    wait_until(lambda: deployment.open_streams() == 0, message="streams are left open")


def test_changes_made_anywhere_reach_all_streams_once_and_in_order(
    deployment: Deployment, table: Table
) -> None:
    table.listen_everywhere()
    wait_until(lambda: deployment.open_streams() == len(table.streams))

    # In turn through nginx, each instance directly, and a script.
    def over_http(request: Callable[..., object]) -> Callable[[str], object]:
        return lambda status: request(
            "PATCH",
            f"/api/orders/{table.order_id}",
            token=deployment.token("waiter", table.waiter_id),
            json={"status": status},
        )

    ways = [
        over_http(deployment.nginx.request),
        *(over_http(instance.request) for instance in deployment.instances),
        lambda status: deployment.service.update_order_status(table.order_id, status),
    ]
    for turn in range(16):
        ways[turn % len(ways)]("New" if turn % 2 else "Acknowledged")

    for client in table.streams:
        heard = [client.next("order_update").data["version"] for _ in range(16)]
        assert heard == list(range(2, 18))
    for client in table.streams:
        client.expect_nothing(0.5 / len(table.streams), "cache_refresh")
        ids = [event.id for event in client.events if event.id and event.type != "connection"]
        assert len(ids) == len(set(ids))


def test_refreshes_for_changes_through_several_workers_are_combined(
    deployment: Deployment, table: Table
) -> None:
    table.listen_everywhere()
    tea = [{"name": "Tea", "quantity": 1}]
    orders = {deployment.service.place_order(table.session_id, tea).id for _ in range(8)}
    wait_until(lambda: all(orders <= ids_to_load(client) for client in table.streams))
    before = [len(client.of_type("cache_refresh")) for client in table.streams]

    def begin(order_id: str) -> None:
        path = f"/api/orders/{order_id}"
        deployment.call("PATCH", path, "waiter", table.waiter_id, json={"status": "InProgress"})

    def has_loaded_all(client: SseClient, known: int) -> bool:
        return orders <= ids_to_load(client, known)

    started = time.monotonic()
    with ThreadPoolExecutor() as together:
        list(together.map(begin, orders))
    for client, known in zip(table.streams, before, strict=True):
        wait_until(partial(has_loaded_all, client, known))
        refreshes = client.of_type("cache_refresh")[known:]
        # One for each quiet period, whose number depends on the machine's speed.
        took = refreshes[-1].received_at - started
        assert len(refreshes) <= 1 + took / Priority.HIGH.quiet_seconds


def ids_to_load(client: SseClient, after: int = 0) -> set[str]:
    """Return the ids that refreshes told it to load, without the first ``after`` refreshes."""
    refreshes = client.of_type("cache_refresh")[after:]
    return {each for event in refreshes for each in event.data["affectedIds"]}


def test_session_closed_by_a_script_ends_its_streams_on_every_worker(
    deployment: Deployment, table: Table
) -> None:
    table.listen_everywhere()
    deployment.service.update_order_status(table.order_id, "Cancelled")
    deployment.service.close_session(table.session_id)
    for guest in table.guests:
        guest.wait_ended(5)
        assert guest.of_type("closing")[0].data["code"] == "session_closed"
    assert not any(waiter.has_ended for waiter in table.waiters)


def streams_open(instance: ServiceServer) -> float:
    return Figures.of(instance).value("streams_open")


def test_a_rolling_deploy_refuses_no_client_and_loses_nothing(
    deployment: Deployment, table: Table
) -> None:
    table.listen_everywhere()
    going, staying = deployment.instances
    # Each worker publishes its own count once a second.
    wait_until(lambda: sum(map(streams_open, deployment.instances)) == len(table.streams))
    kept = streams_open(staying)
    going.stop()
    wait_until(lambda: sum(not each.has_ended for each in table.streams) == kept)
    sent_away = [client for client in table.streams if client.has_ended]
    assert sent_away
    assert all(each.of_type("closing")[0].data["code"] == "draining" for each in sent_away)
    deployment.service.update_order_status(table.order_id, "Acknowledged")

    for client in sent_away:
        client.wait_ended()
        with table.listen_again(client) as back:
            assert back.events[0].data["resumed"] is True
            assert back.next("order_update").data["version"] == 2
    assert staying.is_running
    going.start()
    deployment.wait_healthy()
