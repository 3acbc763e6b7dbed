"""The interface of every measured server: install, start, open streams, publish, stop."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import processes
from benchmarks.generator import Answer, Generator
from benchmarks.paths import PEERS


class Server:
    """One server under test, with one worker on one core.

    Channels are named ``<prefix><number>``. A subclass defines in ``request`` how a client
    asks for a stream on a channel.
    """

    name = ""
    #: Its name in the table.
    label = ""
    #: Facts that a reader needs to judge its figures.
    notes: tuple[str, ...] = ()
    #: When a stream counts as up: "head" (response head), "block" or "sent".
    ready = "head"
    #: Seconds it may take to come to rest.
    settle_limit_seconds = 3.0
    #: Whether a returning client gets the events it missed, by Last-Event-ID.
    resumes = False
    #: The largest number of streams that it is asked to hold.
    most_streams = 10_000
    #: Events published back to back in a burst.
    burst_events = 200
    #: Whether it has a floor, and announces status changes on it.
    tells_changes = False
    #: Whether it has a supervisor that replaces a dead worker.
    has_master = False

    def __init__(self) -> None:
        self.port = 0
        self.dir = Path()
        self._processes: list[subprocess.Popen[bytes]] = []

    # --- to be filled in ------------------------------------------------------

    def install(self) -> None:
        """Install what it needs; do nothing if all of it exists."""

    def launch(self) -> None:
        """Start its processes with ``spawn``, the one with the port last."""
        raise NotImplementedError

    def request(self, channel: str) -> str:
        """Return the path, and after tabs the headers, that open a stream on ``channel``."""
        return f"/stream/{channel}"

    # --- the same for all -----------------------------------------------------

    @property
    def log(self) -> Path:
        """The file that its processes write to."""
        return PEERS / f"{self.name}.log"

    def spawn(
        self, *command: str | Path, cwd: Path | None = None, **env: str
    ) -> subprocess.Popen[bytes]:
        """Start one of its processes on the servers' core; ``env`` is added to our environment."""
        process = processes.start(command, cwd=cwd or self.dir, log=self.log, env=env)
        self._processes.append(process)
        return process

    def start(self) -> None:
        """Start it in an empty directory, on a new port, and wait for the port."""
        self.dir = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=PEERS))
        self.dir.chmod(0o755)
        self.port = processes.free_port()
        self.log.write_bytes(b"")
        self.launch()
        processes.await_port(self._processes[-1], self.port)

    def stop(self) -> None:
        """Stop every process of it."""
        while self._processes:
            processes.stop(self._processes.pop())
        subprocess.run(["rm", "-rf", self.dir], check=False)

    def pids(self) -> list[int]:
        """Every process that does this server's work, including brokers and databases."""
        return processes.family(p.pid for p in self._processes)

    def cpu_seconds(self) -> float:
        """The processor time that its processes have used so far."""
        return processes.cpu_seconds(self.pids())

    def kill_worker(self) -> None:
        """Kill the process that holds the streams; it must come back at once."""
        main = self._processes[-1]
        if self.has_master:
            for pid in processes.family([main.pid]):
                if pid != main.pid:
                    os.kill(pid, signal.SIGKILL)
            return
        # Without a master, act as a supervisor that restarts it without delay.
        os.kill(main.pid, signal.SIGKILL)
        main.wait()
        self._processes.pop()
        self.launch_again()

    def launch_again(self) -> None:
        """Start the killed process again; only called where there is no master."""
        self.launch()

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
        """Publish ``count`` events to the channels in turn and await ``total`` deliveries.

        ``rate`` is events per second; 0: back to back. The events are numbered
        from ``first``; number n goes to channel ``prefix + str(n % channels)``.
        """
        query = urlencode(
            {"prefix": prefix, "channels": channels, "first": first, "count": count, "rate": rate}
        )
        return generator.publish(f"/publish?{query}", total=total, limit_seconds=limit_seconds)

    def settle(self, seconds: float = 0.5) -> None:
        """Wait until it is at rest before it is measured, at most ``settle_limit_seconds``.

        Rest means under 5 % of the core for ``seconds``; heartbeats continue.
        """
        deadline = time.monotonic() + self.settle_limit_seconds
        while time.monotonic() < deadline:
            before = self.cpu_seconds()
            time.sleep(seconds)
            if self.cpu_seconds() - before < 0.05 * seconds:
                return
