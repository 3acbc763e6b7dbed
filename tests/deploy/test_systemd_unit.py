"""The unit matches the service that it starts, and systemd accepts the unit.

systemd only reads it, because it cannot start anything in the containers that run tests.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from notifications import background
from runtime.settings import Settings
from tests.support.programs import REPOSITORY, find_program
from waiter_service.outbox import outbox

SYSTEMD = REPOSITORY / "deploy" / "systemd"


@pytest.fixture(scope="module")
def unit() -> dict[str, list[str]]:
    """The values of each directive, in order."""
    directives: dict[str, list[str]] = defaultdict(list)
    for line in (SYSTEMD / "restaurant-notifications@.service").read_text().splitlines():
        if re.match(r"[A-Za-z]+=", line):
            name, _, value = line.partition("=")
            directives[name].append(value)
    return directives


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """The unit of one instance, installed where systemd finds it."""
    path = tmp_path / "restaurant-notifications@8001.service"
    path.write_text((SYSTEMD / "restaurant-notifications@.service").read_text())
    return path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [find_program("systemd-analyze"), "--no-pager", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_accepts_the_unit(instance: Path) -> None:
    verified = analyze("verify", instance)
    # systemd also checks the units that this one requires, and may report those.
    complaints = [line for line in verified.stderr.splitlines() if instance.name in line]
    assert complaints == []


def test_systemd_rates_the_unit_as_well_confined(instance: Path) -> None:
    # From 0 to 100. Network access alone accounts for most of it.
    rated = analyze("security", "--offline=true", "--threshold=15", instance)
    assert rated.returncode == 0, rated.stdout


def test_systemd_waits_longer_than_gunicorn_takes_to_stop(
    unit: dict[str, list[str]], gunicorn: dict[str, Any]
) -> None:
    (stop_seconds,) = unit["TimeoutStopSec"]
    # The master checks once a second, and then needs time for its own shutdown.
    assert int(stop_seconds) >= gunicorn["graceful_timeout"] + 10
    assert unit["KillMode"] == ["mixed"], "the master decides when its workers stop"


def test_a_worker_has_time_to_close_its_streams_even_if_every_earlier_step_hangs(
    gunicorn: dict[str, Any],
) -> None:
    refreshes_seconds = relay_seconds = background.STOP_SECONDS
    hung_seconds = refreshes_seconds + relay_seconds + outbox.STOP_SECONDS
    drain_seconds = gunicorn["_settings"].drain_seconds
    assert gunicorn["graceful_timeout"] > hung_seconds + drain_seconds


def test_the_limit_of_open_files_covers_every_stream(
    unit: dict[str, list[str]], gunicorn: dict[str, Any]
) -> None:
    (files,) = unit["LimitNOFILE"]
    assert int(files) >= gunicorn["worker_connections"] + 100


def test_the_reload_signal_is_gunicorns(unit: dict[str, list[str]]) -> None:
    assert unit["ExecReload"] == ["/bin/kill -s HUP $MAINPID"]
    (start,) = unit["ExecStart"]
    assert start.endswith("--config gunicorn.conf.py")
    assert "PORT=%i" in start


def test_the_example_sets_only_variables_that_are_read() -> None:
    text = (SYSTEMD / "environment.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", text, flags=re.M))
    assert named <= set(Settings.variables()) | {"FORWARDED_ALLOW_IPS"}
    assert {"JWT_SECRET_KEY", "DATABASE_URL", "REDIS_URL"} <= named


def test_the_unchanged_example_is_refused() -> None:
    """A secret from the repository would give everyone access; an empty one is refused."""
    text = (SYSTEMD / "environment.example").read_text()
    assert re.search(r"^JWT_SECRET_KEY=$", text, flags=re.M)
