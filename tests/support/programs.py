"""Programs that tests start: finding them, giving them a port, ending them."""

from __future__ import annotations

import contextlib
import os
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
    """Return the program's path, or skip the test and say what is missing."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *reversed(_ELSEWHERE)])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is missing; scripts/install-test-servers installs it (as root)")
    return found


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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
