"""The unit agrees with what it starts, and systemd with the unit.

systemd only reads it: where tests run, in containers mostly, nothing can be started by it.
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
    """Each directive's values, in order."""
    directives: dict[str, list[str]] = defaultdict(list)
    for line in (SYSTEMD / "restaurant-notifications@.service").read_text().splitlines():
        if re.match(r"[A-Za-z]+=", line):
            name, _, value = line.partition("=")
            directives[name].append(value)
    return directives


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """The unit of one instance, as systemd would find it."""
    path = tmp_path / "restaurant-notifications@8001.service"
    path.write_text((SYSTEMD / "restaurant-notifications@.service").read_text())
    return path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [find_program("systemd-analyze"), "--no-pager", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_it(instance: Path) -> None:
    verified = analyze("verify", instance)
    # It looks at what this one needs, too, and may find something there.
    complaints = [line for line in verified.stderr.splitlines() if instance.name in line]
    assert complaints == []


def test_systemd_finds_it_well_confined(instance: Path) -> None:
    # From 0 to 100; 12 when this was written, most of it for having a network.
    rated = analyze("security", "--offline=true", "--threshold=15", instance)
    assert rated.returncode == 0, rated.stdout


def test_systemd_waits_until_gunicorn_has_ended_by_itself(
    unit: dict[str, list[str]], gunicorn: dict[str, Any]
) -> None:
    (stop_seconds,) = unit["TimeoutStopSec"]
    # The master looks up once a second, and then still has its own goodbye.
    assert int(stop_seconds) >= gunicorn["graceful_timeout"] + 10
    assert unit["KillMode"] == ["mixed"], "the master decides when its workers stop"


def test_worker_can_send_its_streams_away_even_if_all_it_waits_for_first_hangs(
    gunicorn: dict[str, Any],
) -> None:
    refreshes_seconds = relay_seconds = background.STOP_SECONDS
    hung_seconds = refreshes_seconds + relay_seconds + outbox.STOP_SECONDS
    drain_seconds = gunicorn["_settings"].drain_seconds
    assert gunicorn["graceful_timeout"] > hung_seconds + drain_seconds


def test_every_stream_may_have_its_file(
    unit: dict[str, list[str]], gunicorn: dict[str, Any]
) -> None:
    (files,) = unit["LimitNOFILE"]
    assert int(files) >= gunicorn["worker_connections"] + 100


def test_reload_is_gunicorns(unit: dict[str, list[str]]) -> None:
    assert unit["ExecReload"] == ["/bin/kill -s HUP $MAINPID"]
    (start,) = unit["ExecStart"]
    assert start.endswith("--config gunicorn.conf.py")
    assert "PORT=%i" in start


def test_example_sets_nothing_that_nobody_reads() -> None:
    text = (SYSTEMD / "environment.example").read_text()
    named = set(re.findall(r"^#?([A-Z_]+)=", text, flags=re.M))
    assert named <= set(Settings.variables()) | {"FORWARDED_ALLOW_IPS"}
    assert {"JWT_SECRET_KEY", "DATABASE_URL", "REDIS_URL"} <= named


def test_example_as_it_is_cannot_be_used_by_mistake() -> None:
    """A secret from the repository would let everybody in; an empty one is refused."""
    text = (SYSTEMD / "environment.example").read_text()
    assert re.search(r"^JWT_SECRET_KEY=$", text, flags=re.M)
