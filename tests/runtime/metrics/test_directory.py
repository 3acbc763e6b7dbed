"""The directory in which several workers collect their figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.metrics import directory as metrics_directory
from runtime.metrics.directory import VARIABLE
from tests.support.metrics import Figures
from tests.support.programs import REPOSITORY


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    # Set and then deleted, so that monkeypatch undoes every change of a test.
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.delenv(VARIABLE)


def own_directory(parent: Path) -> Path:
    (directory,) = parent.glob(f"restaurant-metrics-{os.getpid()}-*")
    return directory


def test_a_single_worker_uses_no_shared_directory(tmp_path: Path) -> None:
    os.environ[VARIABLE] = "left over from another process"
    metrics_directory.prepare(str(tmp_path), workers=1)
    assert not metrics_directory.is_used()
    assert list(tmp_path.iterdir()) == []


def test_several_workers_share_an_empty_directory_until_the_last_ends(tmp_path: Path) -> None:
    metrics_directory.prepare(str(tmp_path), workers=2)
    assert os.environ[VARIABLE] == str(own_directory(tmp_path))
    assert list(own_directory(tmp_path).iterdir()) == []

    metrics_directory.remove()
    assert list(tmp_path.iterdir()) == []
    assert not metrics_directory.is_used()


def test_the_directory_of_a_killed_master_is_removed_and_that_of_a_running_one_is_kept(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    dead = tmp_path / f"restaurant-metrics-{ended.pid}-abc"
    living = tmp_path / f"restaurant-metrics-{os.getppid()}-abc"
    for directory in (dead, living):
        directory.mkdir()
        (directory / "counter_7.db").touch()

    metrics_directory.prepare(str(tmp_path), workers=2)

    assert not dead.exists()
    assert list(living.iterdir()) == [living / "counter_7.db"]


# One worker with figures like the service's, which ends as requested.
WORKER = """
import os, signal, sys
from prometheus_client import Counter, Gauge
Counter("restaurant_done", "Done.", registry=None).inc(int(sys.argv[1]))
Gauge("restaurant_open", "Open.", registry=None, multiprocess_mode="livesum").set(int(sys.argv[1]))
print("ready", flush=True)
if sys.argv[2] == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""

READER = """
import sys
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
sys.stdout.buffer.write(generate_latest(registry))
"""


def test_a_killed_workers_gauges_vanish_and_its_counters_stay(tmp_path: Path) -> None:
    metrics_directory.prepare(str(tmp_path), workers=2)

    def start(number: int, end: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", WORKER, str(number), end],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
        )

    with start(2, "lives") as living, start(3, "is killed") as killed:
        assert living.stdin is not None
        assert living.stdout is not None
        assert killed.stdout is not None
        assert living.stdout.readline() == killed.stdout.readline() == b"ready\n"
        killed.wait(10)
        metrics_directory.forget_worker(killed.pid)
        page = subprocess.run(
            [sys.executable, "-c", READER], capture_output=True, check=True, cwd=REPOSITORY
        )
        living.stdin.close()

    figures = Figures(page.stdout.decode())
    assert figures.value("open") == 2
    assert figures.value("done_total") == 5
