"""No wait in a worker may stop its other greenlets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.programs import REPOSITORY
from tests.support.service_server import ServiceServer

ASK = "from runtime.cooperation import blocking_parts; print(blocking_parts())"
PATCH = "from gevent import monkey; monkey.patch_all()"


def python(*statements: str, **env: str) -> str:
    """Return the output of a new interpreter that runs the statements."""
    done = subprocess.run(
        [sys.executable, "-c", "; ".join(statements)],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("before", "blocking"),
    [
        ([], ["sockets", "locks"]),
        (["import psycopg"], ["sockets", "locks", "psycopg"]),
        ([PATCH, "import psycopg"], []),
        (["import psycopg", PATCH], ["psycopg"]),
    ],
    ids=["not patched", "not patched, psycopg", "patched first", "psycopg imported too early"],
)
def test_blocking_parts_are_named(before: list[str], blocking: list[str]) -> None:
    assert python(*before, ASK) == str(blocking)


def test_master_imports_no_driver(tmp_path: object) -> None:
    """Its workers would inherit a driver that was imported before they patched."""
    loaded = python(
        "import runpy, sys",
        "runpy.run_path('gunicorn.conf.py')",
        "print(sorted({name.partition('.')[0] for name in sys.modules}))",
        INSTANCE_DIR=str(tmp_path),
    )

    assert "gunicorn" in loaded
    for driver in ("psycopg", "sqlalchemy", "redis", "waiter_service"):
        assert repr(driver) not in loaded


@pytest.mark.parametrize(
    ("database_url", "drivers"),
    [("", "[]"), ("postgresql://db/restaurant", "['psycopg']")],
    ids=["SQLite", "PostgreSQL"],
)
def test_a_worker_imports_only_the_drivers_it_uses(
    database_url: str, drivers: str, tmp_path: Path
) -> None:
    """Unused drivers delay every start. The check for blocking needs the used ones."""
    loaded = python(
        "import sys, wsgi",
        "print([name for name in ('psycopg', 'redis') if name in sys.modules])",
        INSTANCE_DIR=str(tmp_path),
        DATABASE_URL=database_url,
    )

    assert loaded == drivers


def test_a_worker_patches_blocking_functions_without_a_search_for_plugins() -> None:
    patched = python(
        "import importlib.metadata as metadata",
        "from runtime.worker import StreamWorker",
        "worker = StreamWorker.__new__(StreamWorker)",
        "worker.sockets = []",
        "asked = []",
        "metadata.entry_points = lambda **group: asked.append(group) or ()",
        "worker.patch()",
        ASK,
        "print(len(asked))",
    )

    assert patched.split() == ["[]", "0"]


@pytest.mark.postgres
def test_worker_whose_database_driver_blocks_does_not_start(
    seeded_postgres_url: str, start_server: Callable[..., ServiceServer]
) -> None:
    server = start_server(start=False, DATABASE_URL=seeded_postgres_url, PSYCOPG_WAIT_FUNC="wait_c")
    server.expected_errors += [
        "would block the whole worker",
        "Shutting down",
        "failed to boot",
        "code 3",
    ]
    server.start(wait=False)

    assert server.wait_exit() == 3
    assert "waiting for psycopg would block the whole worker" in server.log
    assert "Traceback" not in server.log
    server.kill()  # it has ended, with an exit code other than 0
