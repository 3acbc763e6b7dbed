"""Starts servers on one core, and reads the processor time and memory they use."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The core of the server under test, shared by the databases and brokers it needs.
SERVER_CORE = 0
_HOST = "127.0.0.1"


class StartError(Exception):
    """A server did not come up, or died."""


@dataclass(frozen=True)
class Memory:
    """The memory that a set of processes holds, in KiB (``/proc/<pid>/smaps_rollup``)."""

    pss_kib: int
    private_dirty_kib: int


#: Below the range of ports for outgoing connections. Each server gets the next port,
#: so that lingering connections of a stopped server disturb no other server.
_ports = itertools.count(18100 + os.getpid() % 50 * 100)


def free_port() -> int:
    """Return a free port."""
    for port in itertools.islice(_ports, 1000):
        with socket.socket() as probe:
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise StartError("no free port among a thousand")


def start(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    core: int = SERVER_CORE,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in its own session on ``core``; output goes to ``log``."""
    with log.open("ab") as out:
        return subprocess.Popen(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )


def await_port(process: subprocess.Popen[bytes], port: int, *, limit_seconds: float = 30) -> None:
    """Wait until a process listens on ``port``."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((_HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise StartError(f"{process.args!r} does not listen on {port} after {limit_seconds} s")


def stop(process: subprocess.Popen[bytes], *, limit_seconds: float = 1.0) -> None:
    """End a server that we started and its whole session: with SIGTERM, then with SIGKILL."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit_seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def family(pids: Iterable[int]) -> list[int]:
    """Return ``pids`` and all their living descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    todo = list(pids)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo.extend(parents.get(pid, ()))
    return sorted(found)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the user and system time that these processes have used.

    For each process it is the larger of two readings. ``schedstat`` counts nanoseconds, but
    only of living threads. ``stat`` also counts ended threads, but in ticks of 10 ms, too
    coarse for a thousand connects.
    """
    return sum(max(_living_threads_seconds(pid), _ticks_seconds(pid)) for pid in pids)


def _living_threads_seconds(pid: int) -> float:
    total = 0
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            try:
                total += int((thread / "schedstat").read_text().split()[0])
            except OSError:
                continue
    except OSError:
        pass
    return total / 1e9


def _ticks_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory(pids: Iterable[int]) -> Memory:
    """Return the memory these processes hold, shared pages split among their holders."""
    pss = dirty = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in lines)
        pss += int(fields["Pss"].split()[0])
        dirty += int(fields["Private_Dirty"].split()[0])
    return Memory(pss, dirty)
