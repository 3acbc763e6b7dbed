"""A real Redis, started and ended by the tests."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import redis

from tests.support.programs import end, find_program, free_port, kill_group
from tests.support.waiting import wait_until


class RedisServer:
    """One ``redis-server`` on a port of its own; keeps nothing over a restart.

    ``stop``/``start`` end it and start it again, empty; ``freeze``/``thaw``
    make it unreachable without closing a connection.
    """

    def __init__(self, directory: Path) -> None:
        self._program = find_program("redis-server")
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None, "Redis is not running"
        return self._process.pid

    def client(self) -> redis.Redis:
        """Return a client of our own; close it after use."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self._process is not None:
            return
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    *("--bind", "127.0.0.1", "--port", str(self.port)),
                    *("--save", "", "--appendonly", "no", "--dir", str(self._directory)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, 10, "redis-server does not answer")

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    def stop(self) -> None:
        """Stop it; connections are closed, and all data is gone."""
        process, self._process = self._process, None
        if process is not None:
            end(process, 10)

    def kill(self) -> None:
        """Kill it at once."""
        process, self._process = self._process, None
        if process is not None:
            kill_group(process)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Make it silent: connections stay open, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again after ``freeze``."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def reset(self) -> None:
        """Make it running and empty again after a test."""
        self.thaw()
        self.start()
        with self.client() as client:
            client.replicaof("NO", "ONE")
            client.flushall()
