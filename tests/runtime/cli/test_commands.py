"""The Makefile's commands for setting up, running and testing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
import requests

from tests.support.programs import REPOSITORY, end, free_port, kill_group
from tests.support.waiting import wait_until
from waiter_service import Database, FloorQueries, WaiterService

# A checkout contains only these files.
NOT_CHECKED_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "instance", "node_modules",
    "benchmarks", "tests",
)  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the repository whose ``.venv`` is the one that runs the tests."""
    path = tmp_path / "checkout"
    shutil.copytree(REPOSITORY, path, ignore=NOT_CHECKED_OUT)
    (path / ".venv").symlink_to(sys.prefix)
    return path


def make(directory: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=directory,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_the_targets():
    result = make(REPOSITORY)

    for target in ("run", "dev", "test", "check", "bench", "migration"):
        assert re.search(rf"^make {target}\s+\S", result.stdout, re.MULTILINE)


def test_a_missing_python_is_named_with_the_remedy(tmp_path):
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()

    result = make(tmp_path, "run", "PYTHON=")

    assert result.returncode != 0
    assert "Python 3.11 or newer is needed" in result.stderr


Run = Callable[..., tuple[subprocess.Popen[bytes], Path]]


@pytest.fixture
def make_run(checkout: Path, tmp_path: Path) -> Iterator[tuple[Run, str]]:
    port = free_port()
    started: list[subprocess.Popen[bytes]] = []

    def run(**env: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = tmp_path / f"run-{len(started)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                # Everything is installed already, because the tests run.
                ["make", "run", "--assume-old=.venv/.runtime"],
                cwd=checkout,
                env={
                    "PATH": os.environ["PATH"],
                    "PORT": str(port),
                    "SSE_DRAIN_SECONDS": "1",
                    **env,
                },
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        started.append(process)
        wait_until(
            lambda: requests.get(f"http://127.0.0.1:{port}/sse/health", timeout=5).ok,
            20,
            log.read_text,
        )
        return process, log

    yield run, f"http://127.0.0.1:{port}"
    for process in started:
        kill_group(process)


def test_run_seeds_the_demo_once_and_keeps_it(make_run, checkout):
    run, url = make_run
    database_url = f"sqlite:///{checkout}/instance/restaurant.db"

    process, log = run()
    assert f"Demo page: {url}/demo" in log.read_text()
    database = Database(database_url)
    service = WaiterService(database)
    service.update_order_status("ord-1", "InProgress")
    end(process, 10, signal.SIGTERM)

    process, log = run()
    assert "nothing was changed" in log.read_text()
    assert service.update_order_status("ord-1", "InProgress").changed is False
    database.dispose()
    end(process, 10, signal.SIGTERM)


def test_run_without_the_demo_seeds_nothing(make_run, checkout):
    run, _ = make_run

    process, log = run(DEMO="0")
    database = Database(f"sqlite:///{checkout}/instance/restaurant.db")
    assert FloorQueries(database).waiters().waiters == ()
    assert "/demo" not in log.read_text()
    database.dispose()
    end(process, 10, signal.SIGTERM)


def test_run_on_a_port_in_use_reports_it_and_does_nothing_else(checkout):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = make(checkout, "run", "--assume-old=.venv/.runtime", PORT=str(port))

    assert result.returncode != 0
    sentence, *rest = result.stderr.splitlines()
    assert sentence.startswith(f"The service cannot start: port {port} of 127.0.0.1 is in use")
    assert "PORT=" in sentence
    assert all(line.startswith("make: ") for line in rest)
    assert result.stdout == ""
    assert not (checkout / "instance" / "restaurant.db").exists()


def test_ctrl_c_stops_quietly(make_run):
    run, url = make_run
    process, log = run()

    os.killpg(process.pid, signal.SIGINT)  # to the whole process group, as a terminal does
    process.wait(10)

    assert "Traceback" not in log.read_text()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/sse/health", timeout=5)


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"WEB_CONCURRENCY": "2"}, "set REDIS_URL, or WEB_CONCURRENCY=1"),
        ({"REDIS_URL": "redis://127.0.0.1"}, "set the same JWT_SECRET_KEY"),
        ({"JWT_SECRET_KEY": "x" * 48}, "make one with: openssl rand -base64 48"),
        ({"PORT": "http"}, "PORT is 'http', but must be a whole number"),
        ({"DATABASE_URL": "sqlite://"}, "name a file: sqlite:////path/to/file.db"),
        ({"DATABASE_URL": "sqlite:////proc/no/folder.db"}, "/proc/no cannot be made"),
        ({"DATABASE_URL": "sqlite:///{}/new.db"}, "run: flask --app app db upgrade"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "is DATABASE_URL right?"),
    ],
)
def test_the_server_refuses_to_start_in_one_sentence(env, sentence, start_server, tmp_path):
    given = {name: value.format(tmp_path) for name, value in env.items()}
    server = start_server(start=False, **given)
    if "REDIS_URL" in env:
        del server.env["JWT_SECRET_KEY"]
    # gunicorn's own lines about it.
    server.expected_errors += [sentence, "exited with code", "Shutting down", "failed to boot"]

    server.start(wait=False)

    assert server.wait_exit() != 0
    assert sentence in server.log
    assert "Traceback" not in server.log
    server.kill()


# --- installed packages


def pins(*names: str) -> dict[str, str]:
    pinned = {}
    for name in names:
        for line in (REPOSITORY / name).read_text().splitlines():
            requirement = line.partition("#")[0].strip()
            if requirement and not requirement.startswith("-r"):
                package, equals, version = requirement.partition("==")
                assert equals, f"{name}: {line!r} is not pinned"
                pinned[canonical(package.partition("[")[0])] = version
    return pinned


def canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_everything_installed_is_pinned():
    pinned = pins("requirements.txt", "requirements-dev.txt")
    installed = {canonical(each.metadata["Name"]): each.version for each in distributions()}
    unpinned = installed.keys() - pinned.keys() - {"pip", "setuptools"}

    assert not unpinned
    assert {name: installed.get(name) for name in pinned} == pinned


def test_missing_servers_are_named_if_they_cannot_be_installed(tmp_path):
    for program in ("bash", "sort"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")

    result = subprocess.run(
        [REPOSITORY / "scripts" / "install-test-servers"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.search(r"^Not installed: .*\bnodejs\b", result.stderr)


# --- skipped tests


SKIPPING = {
    "test_skipping.py": """\
import pytest
def test_it(): pytest.skip("no engine")
@pytest.mark.skipif(True, reason="no gearbox")
def test_that(): pass
""",
    "test_skipped_module.py": """\
import pytest
pytest.skip("no wheels", allow_module_level=True)
""",
}


@pytest.mark.parametrize(
    ("is_ci", "processes"),
    [(True, "0"), (True, "1"), (False, "0")],
    ids=["CI", "CI, in a process of its own", "elsewhere"],
)
def test_a_skip_gives_its_reason_and_fails_only_in_ci(tmp_path, is_ci, processes):
    for name, source in SKIPPING.items():
        (tmp_path / name).write_text(source)

    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"),
            *("--continue-on-collection-errors", "-n", processes),
            *("-c", str(REPOSITORY / "pyproject.toml"), str(tmp_path)),
        ],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "CI": "true" if is_ci else "false"},
        capture_output=True,
        text=True,
        check=False,
    )

    closing_line = result.stdout.splitlines()[-1]
    for reason in ("no engine", "no gearbox", "no wheels"):
        assert reason in result.stdout
        assert (f"{reason}, which CI=true forbids" in result.stdout) is is_ci
    if is_ci:
        assert result.returncode == 1
        assert "1 failed, 2 errors" in closing_line
    else:
        assert result.returncode == 0
        assert "3 skipped" in closing_line
