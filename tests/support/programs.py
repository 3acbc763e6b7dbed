"""Programs that tests start: finding them, giving them a port, ending them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable
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
    return _count_open(pid, _server_sockets(port))


def server_of(client: socket.socket, pids: Iterable[int]) -> int:
    """Return which of ``pids`` holds the other end of a connection of ours (Linux).

    Raises:
        AssertionError: none does.
    """
    sockets = _server_sockets(client.getpeername()[1], client.getsockname()[1])
    for pid in pids:
        if _count_open(pid, sockets):
            return pid
    raise AssertionError("the connection is closed")


def _server_sockets(port: int, client_port: int | None = None) -> set[str]:
    """Return the names of the sockets of established connections to ``port``."""
    established = "01"
    names = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, _, _, _, _, _, inode, *_ = line.split()
        if state == established and _port(local) == port and client_port in (None, _port(remote)):
            names.add(f"socket:[{inode}]")
    return names


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _count_open(pid: int, sockets: set[str]) -> int:
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed by then
            count += str(each.readlink()) in sockets
    return count
