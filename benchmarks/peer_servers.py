"""The peers, each used in its usual way. Their programs are in ``peers/<name>/``."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks import backends, install
from benchmarks.generator import Answer, Generator
from benchmarks.paths import HERE, PEERS
from benchmarks.servers import Server

_SOURCES = HERE / "peers"


class Nchan(Server):
    """nginx with the nchan module: C, without any application code."""

    name = "nchan"
    label = "nchan (C, nginx)"
    notes = ("no auth; has no code of its own to publish, so each event is one pipelined POST",)
    resumes = True
    has_master = True

    def install(self) -> None:
        """Debian's nginx and its nchan module."""
        module = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
        install.debian("libnginx-mod-nchan", module)
        install.debian("nginx", Path("/usr/sbin/nginx"))

    def launch(self) -> None:
        """Start one nginx of our own; the system's nginx is not touched."""
        text = (_SOURCES / "nchan" / "nginx.conf").read_text()
        if os.geteuid() == 0:
            shutil.chown(self.dir, "www-data")
        config = self.dir / "nginx.conf"
        config.write_text(text.format(port=self.port, dir=self.dir))
        self.spawn("/usr/sbin/nginx", "-c", config, "-e", self.dir / "error.log")

    def publish(
        self,
        generator: Generator,
        *,
        prefix: str,
        channels: int,
        count: int,
        total: int,
        first: int = 0,
        rate: float = 0.0,
        limit_seconds: float = 30.0,
    ) -> Answer:
        """Publish with one POST per event, from the generator, which also stamps the events."""
        return generator.command(
            f"paced {limit_seconds * 1000:.0f} {total} {channels} {first} {count} {rate} "
            f"/publish/{prefix} {_SOURCES / 'nchan' / 'event.txt'}",
            limit_seconds=limit_seconds,
        )


class _Uvicorn(Server):
    """An ASGI application on uvicorn with uvloop and httptools, one worker."""

    module = ""

    @property
    def source(self) -> Path:
        """The directory of its application."""
        return _SOURCES / self.name

    def install(self) -> None:
        """Its own virtual environment."""
        install.venv(self.name, self.source / "requirements.txt")

    def launch(self) -> None:
        """Uvicorn without an access log."""
        options = "--workers 1 --loop uvloop --http httptools --no-access-log --log-level warning"
        python = PEERS / self.name / "bin" / "python"
        self.spawn(
            *(str(python), "-m", "uvicorn", f"{self.module}:app", *options.split()),
            *("--host", "127.0.0.1", "--port", str(self.port), "--backlog", "4096"),
            cwd=self.source,
            BENCH_DIR=str(self.dir),
            PYTHONPATH=str(_SOURCES),
        )


class SseStarlette(_Uvicorn):
    """The usual choice on asyncio."""

    name = "sse_starlette"
    label = "sse-starlette on uvicorn/uvloop"
    notes = ("no auth, no history",)
    module = "starlette_server"


class DjangoEventstream(_Uvicorn):
    """Django's usual choice, with the storage that lets clients resume."""

    name = "django_eventstream"
    label = "django-eventstream on uvicorn"
    notes = (
        "no auth; history in SQLite (its model storage), one row per event",
        "queues 10 events per stream, then reads the database: its burst is 20 events, not 200",
    )
    resumes = True
    module = "django_server"
    burst_events = 20
    most_streams = 1_000

    def launch(self) -> None:
        """Create its tables, then serve."""
        if not (self.dir / "eventstream.sqlite3").exists():
            python = PEERS / self.name / "bin" / "python"
            environment = ["env", f"BENCH_DIR={self.dir}", f"PYTHONPATH={_SOURCES}"]
            install.run([*environment, python, "django_server.py"], self.source)
        super().launch()


class FlaskSse(Server):
    """The best known choice for Flask."""

    name = "flask_sse"
    label = "flask-sse on gunicorn gevent, Redis"
    notes = (
        "no auth, no history, no heartbeat; one Redis connection per stream; Redis's own "
        "CPU and memory are counted",
        "sends not even a response head before the first event: its connects and its return "
        "after a restart cannot be seen from outside",
    )
    ready = "sent"
    settle_limit_seconds = 30.0  # the only way to tell that all have subscribed
    has_master = True
    most_streams = 1_000
    burst_events = 50

    def install(self) -> None:
        """Its own virtual environment, and Debian's Redis."""
        install.venv(self.name, _SOURCES / self.name / "requirements.txt")
        backends.install_redis()

    def launch(self) -> None:
        """Redis without persistence, and gunicorn with one gevent worker."""
        redis_url = backends.launch_redis(self)
        options = "-k gevent -w 1 --worker-connections 12000 --backlog 4096 --log-level warning"
        python = PEERS / self.name / "bin" / "python"
        self.spawn(
            *(str(python), "-m", "gunicorn", "flask_server:app", *options.split()),
            *("-b", f"127.0.0.1:{self.port}", "--no-control-socket"),
            cwd=_SOURCES / self.name,
            REDIS_URL=redis_url,
            PYTHONPATH=str(_SOURCES),
        )

    def request(self, channel: str) -> str:
        """The channel is a query parameter."""
        return f"/stream?channel={channel}"


class BetterSse(Server):
    """Node's usual choice."""

    name = "better_sse"
    label = "better-sse on Node"
    notes = ("no auth, no history",)

    def install(self) -> None:
        """Its npm package."""
        install.node_project(self.name, build=False)

    def launch(self) -> None:
        """Plain Node, production mode."""
        script = PEERS / self.name / "server.mjs"
        self.spawn("node", script, PORT=str(self.port), NODE_ENV="production")


class NestJs(Server):
    """NestJS's own decorator."""

    name = "nestjs"
    label = "NestJS @Sse on Node"
    notes = ("no auth, no history, no heartbeat",)

    def install(self) -> None:
        """Its npm packages, and its TypeScript compiled."""
        install.node_project(self.name, build=True)

    def launch(self) -> None:
        """Nest on Express, production mode."""
        script = PEERS / self.name / "build" / "server.mjs"
        self.spawn("node", script, PORT=str(self.port), NODE_ENV="production")
