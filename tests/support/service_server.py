"""The whole service as deployed: gunicorn, its configuration, a database."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import requests
from sqlalchemy import delete

from demo.seed import seed
from runtime.log_writer import GATHER_SECONDS
from tests.support.programs import REPOSITORY, children_of, end, free_port, kill_group
from tests.support.server_log import check_log
from tests.support.sse_client import SseClient
from tests.support.waiting import wait_until
from waiter_service import Database, WaiterService
from waiter_service.store.models import OutboxRow

SECRET = "a secret of the tests, and of nothing else"

# Enough to connect to a database, fork and import on a busy machine. A guess.
START_SECONDS = 20.0
# In addition to SSE_DRAIN_SECONDS: gunicorn's workers check once a second.
STOP_SECONDS = 15.0


def open_restaurant(database_url: str, schema: str | None = None) -> None:
    """Create the tables and the demo restaurant, with an empty outbox."""
    database = Database(database_url, schema=schema)
    database.upgrade()
    seed(WaiterService(database))
    # Otherwise a server would announce the seeding to streams that are open by then.
    with database.writing() as orm:
        orm.execute(delete(OutboxRow))
    database.dispose()


class ServiceServer:
    """One gunicorn on a port of its own.

    ``env``, ``python``, ``command`` and ``code``, a folder, are what it is started with; change
    them and ``restart()``. Everything it writes is in ``log``.
    """

    def __init__(self, directory: Path, database_url: str, **env: object) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.directory = directory
        self.database_url = database_url
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "PYTHONUNBUFFERED": "1",
            "PORT": str(self.port),
            "INSTANCE_DIR": str(directory),
            "DATABASE_URL": database_url,
            "JWT_SECRET_KEY": SECRET,
            # Tests stop many servers, and production's ten seconds are of no use here.
            "SSE_DRAIN_SECONDS": "1",
            **{name: str(value) for name, value in env.items()},
        }
        self.python = sys.executable
        self.code = REPOSITORY
        self.command = ["gunicorn", "--config", "gunicorn.conf.py"]
        self.expected_errors: list[str] = []
        """Texts that excuse an error or a traceback in the log, of the record that has one."""
        self._process: subprocess.Popen[bytes] | None = None
        self.stderr: int | None = None
        """Where it is to write instead of the log file: a descriptor of ours."""
        self._log_path = directory / "server.log"
        self._service: WaiterService | None = None
        self._clients: list[SseClient] = []

    # --- running

    @property
    def pid(self) -> int:
        """The master's process id."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    @property
    def worker_pids(self) -> list[int]:
        """The workers' process ids."""
        return children_of(self.pid)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Its whole output, over restarts, after it has written nothing for a moment."""
        seen, text = None, self.log_so_far
        while self.is_running and text != seen:
            # Lines are written in batches, one every GATHER_SECONDS.
            time.sleep(5 * GATHER_SECONDS)
            seen, text = text, self.log_so_far
        return text

    @property
    def log_so_far(self) -> str:
        """Its output so far; the last lines may be missing."""
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is healthy."""
        assert not self.is_running, "the server is running already"
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [self.python, "-m", *self.command],
                cwd=self.code,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log if self.stderr is None else self.stderr,
                start_new_session=True,
            )
        if wait:
            self.wait_healthy()

    def wait_healthy(self, timeout: float = START_SECONDS) -> None:
        """Wait until ``/sse/health`` is healthy and all workers serve.

        Fail at once when the process has ended.
        """

        def is_healthy() -> bool:
            if not self.is_running:
                raise RuntimeError(f"the server did not start:\n{self.log[-3000:]}")
            return self.get("/sse/health").ok and self.has_all_workers()

        wait_until(is_healthy, timeout, lambda: f"not healthy:\n{self.log[-3000:]}")

    def has_all_workers(self) -> bool:
        """Return whether all workers serve; an answer shows the state of one only."""
        wanted = float(self.env.get("WEB_CONCURRENCY", 1))
        return f"\nrestaurant_workers {wanted}\n" in self.get("/metrics").text

    def wait_exit(self, timeout: float = START_SECONDS) -> int:
        """Wait until it has ended by itself and return its exit code."""
        assert self._process is not None, "the server was never started"
        return self._process.wait(timeout)

    def stop(self) -> None:
        """Stop it with SIGTERM, and assert that it ended cleanly."""
        if self._process is None:
            return
        process, self._process = self._process, None
        drain_seconds = float(self.env["SSE_DRAIN_SECONDS"])
        try:
            code = end(process, drain_seconds + STOP_SECONDS)
        finally:
            # A worker that outlives its master would hold the port.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
        assert code == 0, f"exit code {code}:\n{self.log[-3000:]}"

    def kill(self) -> None:
        """Kill master and workers at once (SIGKILL), as a power cut would."""
        if self._process is not None:
            kill_group(self._process)
            self._process = None

    def restart(self, *, wait: bool = True) -> None:
        """Stop it if it runs, and start it with the current ``env`` on the same port."""
        self.stop()
        self.start(wait=wait)

    # --- requests

    def token(self, role: str, subject: str, *, expires_in: float = 3600, **claims: object) -> str:
        """Return a token as the platform would sign it; ``claims`` add or replace."""
        now = time.time()
        payload: dict[str, object] = {
            "sub": subject,
            "role": role,
            "type": "access",
            "fresh": False,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "nbf": now,
            "exp": now + expires_in,
        }
        return jwt.encode(payload | claims, self.env["JWT_SECRET_KEY"], algorithm="HS256")

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        timeout: float = 10.0,
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request; ``kwargs`` are those of ``requests.request``."""
        headers = dict(kwargs.pop("headers", None) or {})
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return requests.request(method, self.url + path, headers=headers, timeout=timeout, **kwargs)

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("POST", path, **kwargs)

    def open_streams(self) -> int:
        """Return how many streams are open in the whole deployment, by ``/sse/health``."""
        total: int = self.get("/sse/health").json()["activeConnections"]["total"]
        return total

    def listen_session(self, session_id: str, **kwargs: Any) -> SseClient:
        """Open a guest's stream and return it once its ``connection`` event is there."""
        return self._listen(
            f"/sse/session/{session_id}", lambda: self.token("customer", session_id), kwargs
        )

    def listen_waiter(self, waiter_id: str, **kwargs: Any) -> SseClient:
        """Open a waiter's stream; ``kwargs`` are those of ``SseClient``."""
        return self._listen(
            f"/sse/waiter/{waiter_id}", lambda: self.token("waiter", waiter_id), kwargs
        )

    def listen_venue(self, kind: str, venue_id: str = "main", **kwargs: Any) -> SseClient:
        """Open a manager's stream of a venue's floor or kitchen."""
        return self._listen(
            f"/sse/{kind}/{venue_id}", lambda: self.token("manager", "mia", venue=venue_id), kwargs
        )

    def listen_at(self, path: str, token: str) -> SseClient:
        """Open the stream at ``path`` with ``token``."""
        return self._listen(path, lambda: token, {})

    def _listen(self, path: str, mint: Callable[[], str], kwargs: dict[str, Any]) -> SseClient:
        kwargs.setdefault("token", mint())
        client = SseClient(self.url + path, **kwargs)
        self._clients.append(client)
        client.next("connection")
        return client

    @property
    def service(self) -> WaiterService:
        """The waiter service of a third process (ours), on the same database."""
        if self._service is None:
            self._service = WaiterService(Database(self.database_url))
        return self._service

    # --- ending

    def close(self) -> None:
        """Close all streams, stop the server, and check its log."""
        for client in self._clients:
            client.close()
        try:
            self.stop()
        finally:
            self.kill()
            if self._service is not None:
                self._service.database.dispose()
        check_log(self.log, self.expected_errors)


def copy_sqlite(template: Path, directory: Path) -> str:
    """Return the URL of a copy of ``template`` in ``directory``."""
    path = directory / "restaurant.db"
    shutil.copyfile(template, path)
    return f"sqlite:///{path}"
