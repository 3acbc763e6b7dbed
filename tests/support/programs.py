"""Programs that tests start: finding them, giving them a port, ending them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# Debian keeps some servers off the PATH.
_ELSEWHERE = ["/usr/sbin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))]


def find_program(name: str) -> str:
    """Return the program's path, or skip the test and name what is missing."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *reversed(_ELSEWHERE)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is missing; scripts/install-test-servers installs it (as root)")
    return found


# Below those that outgoing connections get (from 32768, net.ipv4.ip_local_port_range's
# default): one of these would take a server's port while the server is stopped. Each is
# given once. The order is random, because several test runs may run at once. The processes of
# one run (pytest-xdist) divide the range, so that none takes the port of a stopped server.
_PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_own_ports = range(20_000 + _PROCESS, 32_768, _PROCESSES)
_ports = iter(random.sample(_own_ports, len(_own_ports)))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free, and stays so while its server is stopped."""
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is left")


def end(process: subprocess.Popen[bytes], timeout: float, stop: int = signal.SIGTERM) -> int:
    """Ask the process to stop and return its exit code; kill its group if it does not.

    The process must have been started with ``start_new_session=True``.

    Raises:
        AssertionError: it had to be killed.
    """
    if process.poll() is None:
        process.send_signal(stop)
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        kill_group(process)
        raise AssertionError(f"{process.args!r} did not stop within {timeout:g} s") from None


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its children at once, as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children (Linux)."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def connections(pid: int, port: int) -> int:
    """Return how many established connections to its own ``port`` a process holds (Linux)."""
    established = "01"
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, _, _, _, _, _, inode, *_ = line.split()
        if state == established and int(local.rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{inode}]")
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed by then
            count += str(each.readlink()) in inodes
    return count
