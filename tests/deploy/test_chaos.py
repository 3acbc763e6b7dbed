"""Everything that can go away goes away while guests listen and waiters work.

At the end every screen shows what the database has, no event was seen twice, and
what was missed was covered by a resync. About two minutes; ``CHAOS=long`` makes
five rounds of it, each in another order.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import pytest
import requests

from notifications.redis.link import ANSWER_SECONDS
from tests.deploy.conftest import MakeNginx
from tests.support.deployment import Deployment
from tests.support.following_client import FollowingClient
from tests.support.nginx_server import NginxServer
from tests.support.postgres_server import PostgresServer
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until
from waiter_service import Database, WaiterService
from waiter_service.errors import DatabaseUnavailable
from waiter_service.queries import FloorQueries
from waiter_service.views import OrderView, RequestView

CLIENTS = 200
OUTAGE_SECONDS = 30.0
ROUNDS = 5 if os.environ.get("CHAOS") == "long" else 1

pytestmark = [
    pytest.mark.long,
    pytest.mark.nginx,
    pytest.mark.redis,
    pytest.mark.postgres,
    pytest.mark.timeout(300 + 300 * ROUNDS),
]

TABLES, WAITERS = 12, 4
# Between two changes of one order or request: ten a second in all. What gathers in
# the longest outage is announced while two cores, shared with the clients, go on.
PACE_SECONDS = 2.4
ORDER_LIFE = ("Acknowledged", "InProgress", "Complete", "Delivered", "Paid")
REQUEST_LIFE = ("Acknowledged", "InProgress", "Completed", "Done")


@dataclass
class Failure:
    """A call that failed and was tried again."""

    phases: set[str]
    what: str


class Chaos:
    """The deployment, who works and listens in it, and what is being done to it."""

    def __init__(self, deployment: Deployment, database_url: str) -> None:
        self.deployment = deployment
        self.phase = "peace"
        self.failures: list[Failure] = []
        self.took: dict[str, list[tuple[float, str]]] = defaultdict(list)
        """Seconds of each call that was carried out, and which it was, by phase."""
        self.changes = 0
        self.diary: list[str] = []
        self._started_at = time.monotonic()
        self.clients: list[FollowingClient] = []
        self._script = WaiterService(Database(database_url))
        self._is_stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    # --- who listens

    def listen(self) -> None:
        """Open every client, some for each session and each waiter."""
        places = [("session", f"chaos-{number}") for number in range(1, TABLES + 1)]
        places += [("waiter", f"waiter-{number}") for number in range(1, WAITERS + 1)]
        for number in range(CLIENTS):
            kind, who = places[number % len(places)]
            role = "customer" if kind == "session" else "waiter"
            mint = partial(self.deployment.token, role, who)
            self.clients.append(FollowingClient(self.deployment.nginx, kind, who, mint))
        wait_until(lambda: all(client.is_live for client in self.clients), 60)

    def hang_up(self) -> None:
        for client in self.clients:
            client.stop()
        for client in self.clients:
            client.join()

    # --- who works

    def open_the_house(self) -> None:
        service = self.deployment.service
        for number in range(1, WAITERS + 1):
            service.add_waiter(f"waiter-{number}", f"Waiter {number}")
        for number in range(1, TABLES + 1):
            waiter_id = f"waiter-{number % WAITERS + 1}"
            service.open_session(100 + number, waiter_id, session_id=f"chaos-{number}")

    def work(self) -> None:
        """Begin to change things: through nginx, by a script, and at shift changes."""
        for number in range(1, TABLES + 1):
            self._employ(partial(self._serve_over_http, f"chaos-{number}"))
            self._employ(partial(self._serve_by_script, f"chaos-{number}"))
        self._employ(self._change_shifts)

    def stop_work(self) -> None:
        self._is_stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), f"{thread.name} does not end"

    def close(self) -> None:
        self.stop_work()
        self.hang_up()
        self._script.database.dispose()

    def _employ(self, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                while not self._is_stopping.is_set():
                    work()
            except Exception as error:  # noqa: BLE001 - told where the test looks
                self.failures.append(Failure({"for good"}, repr(error)))

        thread = threading.Thread(target=run, name=f"work {len(self._threads)}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _serve_over_http(self, table: str) -> None:
        order = self._insist(
            f"POST order at {table}",
            lambda: self._call(
                "POST", f"/api/sessions/{table}/orders", items=[{"name": "Tea", "quantity": 1}]
            ),
        )
        for status in ORDER_LIFE:
            self._insist(
                f"PATCH order of {table} to {status}",
                partial(self._call, "PATCH", f"/api/orders/{order['id']}", status=status),
            )

    def _serve_by_script(self, table: str) -> None:
        request = self._insist(
            f"create_request at {table}",
            lambda: self._script.create_request(table, "water").request,
        )
        for status in REQUEST_LIFE:
            self._insist(
                f"update_request_status at {table} to {status}",
                partial(self._script.update_request_status, request.id, status),
            )

    def _change_shifts(self) -> None:
        """The last table goes from waiter to waiter."""
        for number in range(1, WAITERS + 1):
            self._insist(
                f"transfer to waiter-{number}",
                partial(
                    self._script.transfer_sessions,
                    to_waiter_id=f"waiter-{number}",
                    session_ids=[f"chaos-{TABLES}"],
                ),
            )
            self._rest(1.0)

    def _call(self, method: str, path: str, **body: object) -> Any:
        return self.deployment.call(method, path, "manager", "boss", json=body)

    def _insist(self, what: str, attempt: Callable[[], Any]) -> Any:
        """Make a change, however often it takes; note what went wrong, and how long it took."""
        while True:
            before, started = self.phase, time.monotonic()
            try:
                done = attempt()
            except (requests.RequestException, DatabaseUnavailable) as error:
                response = getattr(error, "response", None)
                answer = "" if response is None else response.text
                self.failures.append(Failure({before, self.phase}, f"{what}: {error} {answer}"))
                if response is not None and response.status_code not in (502, 503, 504):
                    raise
                if self._is_stopping.is_set():
                    raise
                time.sleep(0.2)
            else:
                took = time.monotonic() - started
                self.took[before].append((took, what))
                self.changes += 1
                self._rest(PACE_SECONDS)
                return done

    def _rest(self, seconds: float) -> None:
        self._is_stopping.wait(seconds * random.uniform(0.5, 1.5))

    # --- what is done to them

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Put what fails down to ``name``, until every worker is ready again."""
        self.phase = name
        self.diary.append(f"{name} {time.monotonic() - self._started_at:.1f}")
        yield
        self.deployment.wait_healthy(40)
        self.diary[-1] += f"-{time.monotonic() - self._started_at:.1f}"
        self.phase = "peace"
        time.sleep(1)  # of peace, in which everything must work

    def kill_workers(self) -> None:
        with self.during("kill"):
            for instance in self.deployment.instances:
                self._kill_worker(instance)

    def restart_redis(self) -> None:
        with self.during("redis"):
            self.deployment.redis.stop()
            self._expect_unhealthy_but_ready()
            self.deployment.redis.start()

    def empty_redis(self) -> None:
        with self.during("redis"), self.deployment.redis.client() as client:
            client.flushall()

    def freeze_redis(self) -> None:
        with self.during("redis"):
            self.deployment.redis.freeze()
            self._expect_unhealthy_but_ready()
            time.sleep(OUTAGE_SECONDS)
            self._expect_unhealthy_but_ready()
            self.deployment.redis.thaw()

    def freeze_redis_and_kill_a_worker(self) -> None:
        with self.during("kill"):
            self.deployment.redis.freeze()
            self._kill_worker(random.choice(self.deployment.instances))
            time.sleep(2)  # in which the next one has to start without Redis
            self.deployment.redis.thaw()

    def restart_postgres(self) -> None:
        with self.during("postgres"):
            self.deployment.postgres.stop()
            time.sleep(1)
            assert self.deployment.is_ready()
            assert self.deployment.is_alive()
            self.deployment.postgres.start()

    def reload_nginx(self) -> None:
        with self.during("nginx"):
            self.deployment.nginx.reload()

    def _kill_worker(self, instance: ServiceServer) -> None:
        """Kill one of its workers, and wait until it has been missed."""
        victim = random.choice(instance.worker_pids)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in instance.worker_pids)

    def _expect_unhealthy_but_ready(self) -> None:
        self.deployment.wait_unhealthy()
        assert self.deployment.is_ready()
        assert self.deployment.is_alive()

    # --- what must be true in the end

    def what_is_wrong(self) -> list[str]:
        """Compare every screen with the database."""
        queries = FloorQueries(self._script.database)
        tables = {
            f"chaos-{number}": queries.session_snapshot(f"chaos-{number}")
            for number in range(1, TABLES + 1)
        }
        wrong = []
        for client in self.clients:
            if client.kind == "session":
                held = {client.who}
            else:
                held = {each.session.id for each in queries.waiter_floor(client.who).sessions}
                if client.tables != held:
                    wrong.append(f"{client.who} shows {client.tables}, but holds {held}")
            things: list[RequestView | OrderView] = []
            for id_ in held:
                things += tables[id_].requests
                things += tables[id_].orders
            for thing in things:
                shown = client.versions.get(thing.id)
                # What was over before a waiter looked is not on the floor any more.
                if shown != thing.version and (shown is not None or thing.status.is_open):
                    wrong.append(
                        f"{client.kind} {client.who} shows {thing.id} at {shown}, "
                        f"it is at {thing.version}"
                    )
        return wrong


@pytest.fixture
def chaos(
    redis_server: RedisServer,
    postgres_server: PostgresServer,
    seeded_postgres_url: str,
    start_server: Callable[..., ServiceServer],
    make_nginx: MakeNginx,
) -> Iterator[Chaos]:
    def make_hasty_nginx(*instances: ServiceServer) -> NginxServer:
        nginx = make_nginx(*instances)
        # A reload cuts the streams that are open, so that they have to resume.
        nginx.edit("nginx.conf", "worker_shutdown_timeout 1h;", "worker_shutdown_timeout 2s;")
        # All clients and all who work have the same address here.
        site = "conf.d/restaurant-notifications.conf"
        nginx.edit(site, "zone=calls_per_address burst=500", "zone=calls_per_address burst=50000")
        return nginx

    deployment = Deployment.start(
        start_server,
        make_hasty_nginx,
        redis_server,
        postgres_server,
        seeded_postgres_url,
        SSE_HEARTBEAT_SECONDS=1,
    )
    for instance in deployment.instances:
        # The last two: changes that were on their way when Redis went. The cursor was
        # being read when PostgreSQL went.
        instance.expected_errors += [
            "Error closing cursor",
            "SIGKILL",
            "cannot be used",
            "Redis is away",
            "redis.exceptions",
        ]
    chaos = Chaos(deployment, seeded_postgres_url)
    yield chaos
    redis_server.thaw()
    redis_server.start()
    postgres_server.start()
    chaos.close()
    deployment.stop()


def test_every_screen_is_right_after_everything_went_away_and_came_back(chaos: Chaos) -> None:
    chaos.open_the_house()
    chaos.listen()
    chaos.work()
    time.sleep(1)

    blows = [
        chaos.kill_workers,
        chaos.restart_redis,
        chaos.empty_redis,
        chaos.freeze_redis,
        chaos.restart_postgres,
        chaos.reload_nginx,
        chaos.freeze_redis_and_kill_a_worker,
    ]
    for _ in range(ROUNDS):
        for blow in blows:
            blow()
        random.shuffle(blows)

    chaos.stop_work()
    with suppress(AssertionError):  # said below, with all that led there
        wait_until(lambda: not chaos.what_is_wrong(), 120, interval=0.5)
    wrong = chaos.what_is_wrong()
    chaos.hang_up()
    books = [client.book for client in chaos.clients]
    complaints = [each for book in books for each in book.complaints]
    sys.stderr.write(report(chaos) + "\n")  # shown when it fails, and with -s
    assert not complaints, complaints[:20]
    assert not wrong, wrong[:20]
    # Only a worker that was killed and a database that was away may fail a call.
    unexplained = [
        failure for failure in chaos.failures if not failure.phases & {"kill", "postgres"}
    ]
    assert not unexplained, unexplained[:10]
    assert not [failure for failure in chaos.failures if "for good" in failure.phases]
    # None waited until Redis was back, and few, if any, for an answer of its.
    seconds = [took for took, _ in chaos.took["redis"]]
    assert max(seconds) < OUTAGE_SECONDS
    assert median(seconds) < ANSWER_SECONDS
    # Nothing of all this is worth much if nothing happened.
    assert chaos.changes > 10 * len(blows) * ROUNDS
    assert sum(book.resumed for book in books) >= CLIENTS


def report(chaos: Chaos) -> str:
    """Return what happened, in a few lines."""
    books = [client.book for client in chaos.clients]
    total = {
        name: sum(getattr(book, name) for book in books)
        for name in ("connects", "resumed", "resyncs", "loads", "events", "repeated")
    }
    refusals: Counter[int] = Counter()
    for book in books:
        refusals.update(book.refusals)
    lines = [
        f"{chaos.changes} changes, {CLIENTS} clients: {total}, refused {dict(refusals)}",
        "seconds a call took, median and longest: "
        + ", ".join(
            f"{phase} {median(seconds for seconds, _ in calls):.2f} {max(calls)}"
            for phase, calls in chaos.took.items()
        ),
        f"failed calls: {Counter('/'.join(sorted(each.phases)) for each in chaos.failures)}",
        f"phases: {', '.join(chaos.diary)}",
        *(f"  {failure.phases} {failure.what[:300]}" for failure in chaos.failures[:5]),
    ]
    return "\n".join(lines)
