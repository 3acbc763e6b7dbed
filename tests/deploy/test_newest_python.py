"""The service runs on the newest Python of this machine as on the oldest."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


def _pythons() -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the version and path of each working Python, on the PATH or beside it."""
    folders = [Path(folder) for folder in os.get_exec_path()]
    folders += sorted(Path.home().glob(".pyenv/versions/*/bin"))
    for folder in folders:
        for path in sorted(folder.glob("python3.[1-9][0-9]")):
            asked = subprocess.run(
                [path, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
            )
            if asked.returncode == 0:
                yield tuple(map(int, asked.stdout.split())), str(path)


@pytest.fixture(scope="module")
def newest_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python of the newest version, in a virtual environment with the service's requirements."""
    _version, python = max(_pythons())
    environment = tmp_path_factory.mktemp("newest")
    inside = environment / "bin" / "python"
    subprocess.run([python, "-m", "venv", environment], check=True)
    install = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", str(REPOSITORY / "requirements.txt")], check=True)
    return str(inside)


def test_the_newest_python_serves_and_drains(
    newest_python: str, start_server: Callable[..., ServiceServer]
) -> None:
    server = start_server(start=False)
    server.python = newest_python
    server.start()
    guest = server.listen_session("table-7")

    moved = server.request(
        "PATCH",
        "/api/orders/ord-1",
        token=server.token("waiter", "anna"),
        json={"status": "InProgress"},
    )

    assert moved.status_code == 200
    assert guest.next("order_update").data["status"] == "InProgress"
    server.stop()
    assert guest.next("closing").data["reconnect"] is True


def test_the_newest_python_runs_the_commands(newest_python: str, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [newest_python, "-W", "error", "-m", "flask", "--app", "app", *words],
            cwd=REPOSITORY,
            env={"INSTANCE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("db", "upgrade").returncode == 0
    assert run("demo", "seed").returncode == 0
    done = run("waiter", "order-status", "ord-1", "Paid")
    # The refusal comes from the floor, not from Python.
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr
