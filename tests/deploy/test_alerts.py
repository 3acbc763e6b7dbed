"""Prometheus's own tool checks that alerts fire during a fault and not after it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programs import REPOSITORY, find_program

ALERTS = REPOSITORY / "deploy/prometheus/alerts.yml"

SCRAPE_SECONDS = 15
PER_MINUTE = 60 // SCRAPE_SECONDS

#: Minutes before and after the fault.
HEALTHY_MINUTES = 20

#: Minutes of the longest window.
WINDOW_MINUTES = 5


@dataclass(frozen=True)
class Gauge:
    """A series with one value, and another value during the fault."""

    healthy: float
    faulty: float


@dataclass(frozen=True)
class Rise:
    """A counter's increase per scrape, and another increase during the fault."""

    healthy: float
    faulty: float


Series = Mapping[str, Gauge | Rise]


def buckets(name: str, labels: str, *, slow_le: str, fast_le: str) -> Series:
    """Return a histogram whose every observation falls above ``slow_le`` during the fault."""
    metric = f"{name}_bucket{{{labels}le="
    return {
        f'{metric}"{fast_le}"}}': Rise(10, 0),
        f'{metric}"{slow_le}"}}': Rise(10, 0),
        f'{metric}"10.0"}}': Rise(10, 10),
        f'{metric}"+Inf"}}': Rise(10, 10),
    }


FAULTS: dict[str, Series] = {
    "ServiceDown": {'up{job="restaurant-notifications", instance="a"}': Gauge(1, 0)},
    "BrokerDown": {'restaurant_broker_up{instance="a"}': Gauge(1, 0)},
    "DatabaseDown": {'restaurant_database_up{instance="a"}': Gauge(1, 0)},
    "DatabaseReadOnly": {
        'restaurant_database_writable{instance="a"}': Gauge(1, 0),
        'restaurant_database_up{instance="a"}': Gauge(1, 1),
    },
    "NobodyRelays": {
        "restaurant_relaying_workers": Gauge(1, 0),
        "restaurant_broker_up": Gauge(1, 1),
    },
    "OutboxStuck": {"restaurant_outbox_oldest_age_seconds": Gauge(0, 60)},
    "DeliverySlow": buckets("restaurant_event_delivery_seconds", "", slow_le="2.5", fast_le="0.01"),
    "EventLoopLate": buckets(
        "restaurant_event_loop_lag_seconds", 'instance="a", ', slow_le="0.5", fast_le="0.01"
    ),
    "StreamsRefused": {'restaurant_streams_refused_total{cause="server_full"}': Rise(0, 30)},
    "TokensRefused": {
        'restaurant_streams_refused_total{cause="not_authenticated"}': Rise(0, 30),
        "restaurant_streams_opened_total": Rise(5, 5),
    },
    "ClientsTooSlow": {
        'restaurant_streams_closed_total{reason="mailbox_full"}': Rise(0, 30),
        "restaurant_streams_open": Gauge(200, 200),
    },
    "StreamsFail": {'restaurant_streams_closed_total{reason="failed"}': Rise(0, 5)},
    "ManyResyncs": {'restaurant_resyncs_total{cause="history_lost"}': Rise(0, 50)},
    "RedisEvicts": {"restaurant_redis_evicted_keys": Rise(0, 5)},
    "RefreshesFail": {"restaurant_refresh_failures_total": Rise(0, 5)},
    "CallsFail": {
        'restaurant_api_calls_total{status="200"}': Rise(100, 0),
        'restaurant_api_calls_total{status="503"}': Rise(0, 100),
    },
    "CallsSlow": buckets(
        "restaurant_api_call_seconds", 'route="/api", ', slow_le="2.5", fast_le="0.01"
    ),
    "DatabaseConnectionsUsedUp": {
        'restaurant_database_connections_in_use{instance="a"}': Gauge(2, 20),
        'restaurant_database_connections_limit{instance="a"}': Gauge(20, 20),
    },
    "OpenFilesNearLimit": {
        'restaurant_open_files{instance="a"}': Gauge(100, 990),
        'restaurant_open_files_limit{instance="a"}': Gauge(1000, 1000),
    },
}

#: Alerts whose ``for`` is longer than a window of one minute and two scrapes.
WAITING = [
    "DeliverySlow",
    "EventLoopLate",
    "StreamsRefused",
    "TokensRefused",
    "CallsFail",
    "CallsSlow",
    "OpenFilesNearLimit",
]

#: This alert compares with ten minutes ago, so a lasting fault becomes the new normal.
COMPARED = {"StreamsGone": {"restaurant_streams_open": Gauge(1000, 10)}}


@pytest.fixture(scope="module")
def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def values(series: Gauge | Rise, fault_minutes: float) -> str:
    """Return the samples of a healthy time, a fault and a healthy time."""
    phases = [(HEALTHY_MINUTES, False), (fault_minutes, True), (HEALTHY_MINUTES, False)]
    samples, total = [], 0.0
    for minutes, is_faulty in phases:
        for _ in range(round(minutes * PER_MINUTE)):
            value = series.faulty if is_faulty else series.healthy
            total = total + value if isinstance(series, Rise) else value
            samples.append(f"{total:g}")
    return " ".join(samples)


def firing_minutes(
    alert: str, fault: Series, fault_minutes: float, expected: Mapping[float, bool], path: Path
) -> str:
    """Check with promtool at which minutes of the fault the alert fires; return its errors."""
    checks = [
        {
            "expr": f'max(ALERTS{{alertname="{alert}", alertstate="firing"}}) or vector(0)',
            "eval_time": f"{round((HEALTHY_MINUTES + minute) * 60)}s",
            "exp_samples": [{"labels": "{}", "value": int(is_firing)}],
        }
        for minute, is_firing in expected.items()
    ]
    test = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": f"{SCRAPE_SECONDS}s",
        "tests": [
            {
                "interval": f"{SCRAPE_SECONDS}s",
                "input_series": [
                    {"series": name, "values": values(series, fault_minutes)}
                    for name, series in fault.items()
                ],
                "promql_expr_test": checks,
            }
        ],
    }
    path.write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [find_program("promtool"), "test", "rules", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def minutes_of(rule: dict[str, Any]) -> float:
    amount, unit = re.fullmatch(r"(\d+)([sm])", rule.get("for", "0s")).groups()  # type: ignore[union-attr]
    return int(amount) / (60 if unit == "s" else 1)


def test_prometheus_accepts_the_rules() -> None:
    done = subprocess.run(
        [find_program("promtool"), "check", "rules", str(ALERTS)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_fault_in_this_file(rules: dict[str, Any]) -> None:
    assert FAULTS.keys() | COMPARED.keys() == rules.keys()


@pytest.mark.parametrize("alert", FAULTS)
def test_alert_fires_while_its_fault_lasts_and_stops_when_it_is_over(
    alert: str, rules: dict[str, Any], tmp_path: Path
) -> None:
    fault_minutes = minutes_of(rules[alert]) + 10
    looks_back = 1.5 if "for" in rules[alert] else WINDOW_MINUTES + 0.5
    expected = {-1: False, fault_minutes - 0.5: True, fault_minutes + looks_back: False}
    complaints = firing_minutes(
        alert, FAULTS[alert], fault_minutes, expected, tmp_path / "test.yml"
    )
    assert not complaints, complaints


@pytest.mark.parametrize("alert", WAITING)
def test_alert_never_begins_after_its_fault_is_over(
    alert: str, rules: dict[str, Any], tmp_path: Path
) -> None:
    """A fault that ends a minute and a half before the alert's ``for`` fires nothing."""
    fault_minutes = minutes_of(rules[alert]) - 1.5
    expected = dict.fromkeys((quarter / 4 for quarter in range(60)), False)
    complaints = firing_minutes(
        alert, FAULTS[alert], fault_minutes, expected, tmp_path / "test.yml"
    )
    assert not complaints, complaints


def test_screens_that_left_and_returned_fire_no_alert(tmp_path: Path) -> None:
    fault = COMPARED["StreamsGone"]
    gone = {4: False, 5.5: True, 9: True}
    assert not firing_minutes("StreamsGone", fault, 15, gone, tmp_path / "gone.yml")
    back = dict.fromkeys((quarter / 4 for quarter in range(60)), False)
    assert not firing_minutes("StreamsGone", fault, 4, back, tmp_path / "back.yml")
