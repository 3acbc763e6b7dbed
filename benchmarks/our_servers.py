"""Our own service: with its defaults, and with PostgreSQL and Redis. Nothing is switched off."""

from __future__ import annotations

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import jwt

from benchmarks import backends, install
from benchmarks.paths import ROOT
from benchmarks.processes import StartError
from benchmarks.servers import Server

_SECRET = "a secret for benchmarks alone, of no value to anyone"

#: Channels with this prefix are tables; all others are waiters'. ours.py has the same prefix.
_TABLE_PREFIXES = ("fan-", "floor-")


class Ours(Server):
    """SQLite and the memory broker: what ``make run`` starts."""

    name = "ours"
    label = "ours (JWT, history, heartbeat, limits)"
    notes: tuple[str, ...] = (
        "the project's gunicorn.conf.py and defaults, SQLite; a token of its own per stream; "
        "each open and close is logged; only SSE_MAX_STREAMS_PER_PRINCIPAL is raised, as a "
        "thousand streams share one table",
        "a bench-only route calls notify_order_update, which also keeps the event in the "
        "history of a second channel, the waiter's or the table's",
    )
    resumes = True
    has_master = True
    tells_changes = True

    def environment(self) -> dict[str, str]:
        """Return the settings it is started with."""
        return {
            "INSTANCE_DIR": str(self.dir),
            "JWT_SECRET_KEY": _SECRET,
            "PORT": str(self.port),
            "SSE_MAX_STREAMS_PER_PRINCIPAL": "2000",
        }

    def launch(self) -> None:
        """Migrate the database and start gunicorn with the project's settings."""
        environment = self.environment()
        settings = [f"{name}={value}" for name, value in environment.items()]
        python = Path(sys.executable)
        flask: list[str | Path] = [python, "-m", "flask", "--app", "app", "db", "upgrade"]
        install.run(["env", *settings, *flask], ROOT)
        self.spawn(
            *(python, "-m", "gunicorn", "--config", "gunicorn.conf.py", "benchmarks.ours:app"),
            cwd=ROOT,
            **environment,
        )

    def request(self, channel: str) -> str:
        """Return the stream's path and a fresh token for its guest or waiter."""
        is_table = channel.startswith(_TABLE_PREFIXES)
        now = int(time.time())
        claims = {
            "sub": channel,
            "role": "customer" if is_table else "waiter",
            "type": "access",
            "iat": now,
            "nbf": now,
            "exp": now + 4 * 3600,
            "jti": uuid.uuid4().hex,
        }
        token = jwt.encode(claims, _SECRET, algorithm="HS256")
        kind = "session" if is_table else "waiter"
        return f"/sse/{kind}/{channel}\tAuthorization: Bearer {token}"


class OursWithServers(Ours):
    """PostgreSQL and Redis, as several workers or machines need them."""

    name = "ours_redis"
    label = "ours with Redis and PostgreSQL"
    notes = (
        "as above, history and fan-out through Redis, the floor in PostgreSQL (fsync on); both "
        "run on the server's core, and their CPU and memory are counted",
    )

    def __init__(self) -> None:
        super().__init__()
        self._urls: dict[str, str] = {}

    def install(self) -> None:
        """Debian's Redis and PostgreSQL."""
        backends.install_redis()
        backends.install_postgres()

    def environment(self) -> dict[str, str]:
        """Return the same settings, and the addresses of the two servers."""
        return {**super().environment(), **self._urls}

    def launch(self) -> None:
        """Start both, then the service."""
        self._urls = {
            "REDIS_URL": backends.launch_redis(self),
            "DATABASE_URL": backends.launch_postgres(self),
        }
        super().launch()

    def start(self) -> None:
        """Start, wait until the service is healthy, and check that it uses Redis."""
        super().start()
        deadline = time.monotonic() + 10
        while (health := self._health())["status"] != "healthy":
            if time.monotonic() > deadline:
                raise StartError(f"unhealthy: {health['reason']}")
            time.sleep(0.05)
        kind = health["broker"]["kind"]
        if kind != "redis":
            raise StartError(f"REDIS_URL is set, but the broker in use is {kind!r}")

    def _health(self) -> dict[str, Any]:
        try:
            answer = urlopen(f"http://127.0.0.1:{self.port}/sse/health", timeout=10)
        except HTTPError as unhealthy:
            # Shortly after the start, before it is subscribed in Redis.
            answer = unhealthy
        with answer:
            found: dict[str, Any] = json.load(answer)
        return found
