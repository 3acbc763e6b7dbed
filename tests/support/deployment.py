"""A whole deployment: two instances of two workers, Redis, PostgreSQL and nginx."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

from tests.support.nginx_server import NginxServer
from tests.support.postgres_server import PostgresServer
from tests.support.programs import connections
from tests.support.redis_server import RedisServer
from tests.support.service_server import ServiceServer
from tests.support.waiting import wait_until
from waiter_service import WaiterService


@dataclass
class Deployment:
    """A running deployment."""

    nginx: NginxServer
    instances: list[ServiceServer]
    redis: RedisServer
    postgres: PostgresServer

    @classmethod
    def start(
        cls,
        start_server: Callable[..., ServiceServer],
        make_nginx: Callable[..., NginxServer],
        redis: RedisServer,
        postgres: PostgresServer,
        database_url: str,
        **env: object,
    ) -> Self:
        """Start two instances of two workers on the same Redis and database, and nginx."""
        instances = [
            start_server(
                DATABASE_URL=database_url,
                REDIS_URL=redis.url,
                WEB_CONCURRENCY=2,
                start=False,
                **env,
            )
            for _ in range(2)
        ]
        for instance in instances:
            instance.start(wait=False)
        for instance in instances:
            instance.wait_healthy()
        nginx = make_nginx(*instances)
        nginx.start()
        return cls(nginx, instances, redis, postgres)

    def stop(self) -> None:
        """Stop nginx, and all instances at the same time, which is faster than one by one."""
        self.nginx.stop()
        with ThreadPoolExecutor() as together:
            list(together.map(ServiceServer.stop, self.instances))

    @property
    def service(self) -> WaiterService:
        """The waiter service of a script: another process, on the same database."""
        return self.instances[0].service

    def token(self, role: str, subject: str, **claims: Any) -> str:
        """Return a token that every instance accepts."""
        return self.instances[0].token(role, subject, **claims)

    def call(self, method: str, path: str, role: str, subject: str, **kwargs: Any) -> Any:
        """Call the API through nginx; return the answer's JSON.

        Raises:
            requests.HTTPError: it was refused.
        """
        answer = self.nginx.request(method, path, token=self.token(role, subject), **kwargs)
        answer.raise_for_status()
        return answer.json()

    def workers(self) -> list[int]:
        """Return the process ids of all workers of all instances."""
        return [pid for instance in self.instances for pid in instance.worker_pids]

    def connections(self) -> dict[int, int]:
        """Return how many clients are connected to each worker, by its process id."""
        return {
            pid: connections(pid, instance.port)
            for instance in self.instances
            for pid in instance.worker_pids
        }

    def open_streams(self) -> int:
        """Return how many streams are open in the whole deployment."""
        health = self.nginx.get("/sse/health").json()
        total: int = health["activeConnections"]["total"]
        return total

    def wait_healthy(self, timeout: float = 20.0) -> None:
        """Wait until every instance has all of its workers, and all are healthy."""
        wait_until(
            lambda: (
                all(instance.has_all_workers() for instance in self.instances)
                and self._has_health(200)
                and self._says("ready", 200)
            ),
            timeout,
            "not healthy",
        )

    def wait_unhealthy(self, timeout: float = 10.0) -> None:
        """Wait until no worker of any instance is healthy."""
        wait_until(lambda: self._has_health(503), timeout, "still healthy")

    def _has_health(self, status: int) -> bool:
        return all(
            instance.get("/sse/health").status_code == status
            for instance in self.instances
            # Any worker of an instance may answer. Ask often enough to reach both.
            for _ in range(4)
        )

    def is_ready(self) -> bool:
        """Return whether every instance is ready."""
        return self._says("ready", 200)

    def is_alive(self) -> bool:
        """Return whether every instance is alive."""
        return self._says("live", 200)

    def _says(self, page: str, status: int) -> bool:
        return all(
            self.nginx.get(f"/instances/{instance.port}/health/{page}").status_code == status
            for instance in self.instances
        )
