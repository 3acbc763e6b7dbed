"""The unit agrees with what it starts. (systemd itself is on no test machine.)"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import pytest

from notifications import cache_refresh, outbox_pump
from settings import Settings
from tests.support.programs import REPOSITORY
from waiter_service import relay

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
    hung_seconds = sum(
        (cache_refresh._STOP_TIMEOUT_SECONDS, outbox_pump.STOP_SECONDS, relay.STOP_SECONDS)
    )
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
