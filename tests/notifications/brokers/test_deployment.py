"""Two instances with two workers each, one Redis and one database act as one service."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.crowd import Crowd, Member
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer, copy_sqlite
from tests.support.sse_parser import SseEvent
from tests.support.waiting import wait_until

pytestmark = pytest.mark.redis

GUEST, WAITER = ("customer", "table-7"), ("waiter", "anna")
PATHS = {"customer": "/sse/session/", "waiter": "/sse/waiter/"}
ORDER = "ord-1"
SCREENS_PER_INSTANCE = 16


class Screen:
    """The screen of a guest or a waiter. It reconnects with its last id when it is cut off."""

    def __init__(self, crowd: Crowd, server: ServiceServer, role: str, who: str) -> None:
        self._crowd = crowd
        self._path = PATHS[role] + who
        self._token = server.token(role, who)
        self._members: list[Member] = []

    def stay_connected(self) -> None:
        """Connect again if the connection is closed."""
        last = self._members[-1] if self._members else None
        if last is None or last.ended_at is not None:
            last_id = last.last_event_id if last else None
            self._members += self._crowd.join([(self._path, self._token, last_id)])

    @property
    def is_greeted(self) -> bool:
        return any(each.type == "connection" for each in self._members[-1].events)

    @property
    def events(self) -> list[SseEvent]:
        """All events of all connections, without greetings and heartbeats."""
        return [
            event
            for member in self._members
            for event in list(member.events)
            if event.type not in ("connection", "heartbeat", "closing")
        ]

    @property
    def versions(self) -> list[int]:
        """The order's versions, in the order they arrived."""
        return [each.data["version"] for each in self.events if each.type == "order_update"]

    @property
    def is_told_to_load(self) -> bool:
        """Whether the last event asks the screen to load the order again."""
        last = self.events[-1]
        return last.type == "cache_refresh" and ORDER in last.data["affectedIds"]

    @property
    def resyncs(self) -> int:
        return sum(
            each.type == "cache_refresh" and each.data["affectedData"] == ["all"]
            for each in self.events
        )

    def assert_gapless(self) -> None:
        """Assert that each event came once and that the offsets have no gap."""
        ids = [str(each.id).rpartition("-") for each in self.events]
        assert len({epoch for epoch, _, _ in ids}) <= 1
        offsets = [int(offset) for _, _, offset in ids]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))


class Deployment:
    """The instances, and screens on all of them that follow one table and its waiter."""

    def __init__(self, servers: list[ServiceServer]) -> None:
        self.servers = servers
        self.screens: list[Screen] = []
        self.version = 1

    @contextmanager
    def open_screens(self) -> Iterator[None]:
        """Open some screens on each instance, and wait until all have their greeting."""
        with ExitStack() as stack:
            crowds = [stack.enter_context(Crowd(server.url)) for server in self.servers]
            self.screens = [
                Screen(crowd, server, *(GUEST if number % 2 else WAITER))
                for server, crowd in zip(self.servers, crowds, strict=True)
                for number in range(SCREENS_PER_INSTANCE)
            ]
            self.wait_for(lambda screen: screen.is_greeted)
            yield

    def toggle_order(self, times: int) -> list[int]:
        """Change the order outside of all workers, as a script would; return its versions."""
        versions = []
        for _ in range(times):
            status = "Acknowledged" if self.version % 2 else "New"
            assert self.servers[0].service.update_order_status(ORDER, status).changed
            self.version += 1
            versions.append(self.version)
        return versions

    def kill_some_worker(self) -> None:
        """Kill one worker that gunicorn still lists."""
        while True:
            with suppress(ProcessLookupError):
                os.kill(random.choice(random.choice(self.servers).worker_pids), signal.SIGKILL)
                return

    def kill_every_worker(self) -> None:
        """Kill all workers at once, and wait until gunicorn has noticed."""
        killed = {pid for server in self.servers for pid in server.worker_pids}
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

        def is_noticed(server: ServiceServer) -> bool:
            return not killed & set(server.worker_pids)

        for server in self.servers:
            wait_until(partial(is_noticed, server))

    def wait_for(self, condition: Callable[[Screen], object], timeout: float = 20.0) -> None:
        """Wait until the condition holds for every screen. Screens that are cut off reconnect."""

        def holds() -> bool:
            for screen in self.screens:
                screen.stay_connected()
            return all(condition(screen) for screen in self.screens)

        wait_until(holds, timeout, lambda: f"{sum(map(bool, map(condition, self.screens)))} so far")

    def wait_until_ready(self) -> None:
        def is_ready(server: ServiceServer) -> bool:
            return server.has_all_workers() and server.get("/health/ready").ok

        for server in self.servers:
            wait_until(partial(is_ready, server), 20)

    def wait_until_up_to_date(self) -> None:
        """Wait until every screen shows the order's current version."""
        self.wait_for(lambda screen: screen.versions[-1:] == [self.version])


@pytest.fixture(scope="module")
def running(
    _redis: RedisServer, seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """All processes, shared by the tests because they start slowly. Every test leaves them well."""
    _redis.reset()
    database_url = copy_sqlite(seeded_sqlite, tmp_path_factory.mktemp("database"))
    with ExitStack() as stack:
        servers = [
            ServiceServer(
                tmp_path_factory.mktemp("server"),
                database_url,
                REDIS_URL=_redis.url,
                WEB_CONCURRENCY=2,
                SSE_MAX_STREAMS_PER_PRINCIPAL=100,
            )
            for _ in range(2)
        ]
        for server in servers:
            server.expected_errors = ["SIGKILL", "Redis is away"]
            stack.callback(server.close)
            server.start(wait=False)
        for server in servers:
            server.wait_healthy()
        yield Deployment(servers)


@pytest.fixture
def deployment(redis_server: RedisServer, running: Deployment) -> Iterator[Deployment]:
    running.wait_until_ready()
    with running.open_screens():
        yield running
    redis_server.reset()


def test_change_made_by_a_script_reaches_every_screen_once_and_in_order(
    deployment: Deployment,
) -> None:
    versions = deployment.toggle_order(30)
    deployment.wait_until_up_to_date()
    for screen in deployment.screens:
        assert screen.versions == versions
        assert screen.resyncs == 0
        screen.assert_gapless()


def is_unhealthy(server: ServiceServer) -> bool:
    return server.get("/sse/health").status_code == 503


def test_each_worker_counts_the_streams_of_all_workers(deployment: Deployment) -> None:
    half = SCREENS_PER_INSTANCE
    expected = {"sessions": half, "waiters": half, "total": 2 * half}

    def assert_all_are_counted(server: ServiceServer) -> bool:
        assert server.get("/sse/health").json()["activeConnections"] == expected
        return True

    for server in deployment.servers:
        wait_until(partial(assert_all_are_counted, server))


def test_screens_miss_nothing_when_workers_die(deployment: Deployment) -> None:
    versions = []
    for _ in range(4):
        versions += deployment.toggle_order(5)
        deployment.kill_some_worker()
        versions += deployment.toggle_order(5)
    deployment.wait_until_up_to_date()
    deployment.wait_for(lambda screen: screen.is_told_to_load)
    for screen in deployment.screens:
        assert screen.versions == versions
        assert screen.resyncs == 0
        screen.assert_gapless()


def test_refresh_is_sent_although_every_worker_was_killed(deployment: Deployment) -> None:
    versions = deployment.toggle_order(1)
    deployment.wait_until_up_to_date()
    # Kill the workers within the quiet time, before the refresh is sent. On a slow machine it
    # may have been sent.
    deployment.kill_every_worker()
    deployment.wait_for(lambda screen: screen.is_told_to_load)
    for screen in deployment.screens:
        assert screen.versions == versions
        assert screen.resyncs == 0
        screen.assert_gapless()


def test_no_change_fails_and_no_screen_resyncs_when_redis_hangs(
    deployment: Deployment, redis_server: RedisServer
) -> None:
    redis_server.freeze()
    versions = deployment.toggle_order(10)
    for server in deployment.servers:
        wait_until(partial(is_unhealthy, server))
    redis_server.thaw()
    deployment.wait_until_up_to_date()
    for screen in deployment.screens:
        assert screen.versions == versions
        assert screen.resyncs == 0
        screen.assert_gapless()


def test_changes_during_a_redis_outage_arrive_after_it(
    deployment: Deployment, redis_server: RedisServer
) -> None:
    """Redis comes back empty, so each screen gets one resync."""
    before = deployment.toggle_order(3)
    deployment.wait_until_up_to_date()
    redis_server.stop()
    for server in deployment.servers:
        wait_until(partial(is_unhealthy, server))
        assert server.get("/health/live").status_code == 200
        assert "Redis" in server.get("/sse/health").json()["reason"]
    deployment.toggle_order(10)
    redis_server.start()
    deployment.wait_until_ready()
    deployment.wait_for(lambda screen: screen.resyncs)
    deployment.toggle_order(3)
    deployment.wait_until_up_to_date()
    for screen in deployment.screens:
        assert screen.resyncs == 1
        assert screen.versions[:3] == before
        # The resync covers events of the new epoch from before a process caught up. Of the later
        # events none is missing and none comes twice.
        after = screen.versions[3:]
        assert after == list(range(after[0], deployment.version + 1))
