"""Dashboard, alerts and documented table match the metrics of the service."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import create_app
from tests.support.metrics import Figures
from tests.support.programs import REPOSITORY
from tests.support.service_server import SECRET, copy_sqlite

DASHBOARD = REPOSITORY / "deploy/grafana/dashboard.json"
ALERTS = REPOSITORY / "deploy/prometheus/alerts.yml"
SCRAPE = REPOSITORY / "deploy/prometheus/prometheus.yml"
UPSTREAMS = REPOSITORY / "deploy/nginx/snippets/restaurant-notifications/upstreams.conf"
TABLE = REPOSITORY / "docs/operations/metrics.md"

# A metric in a query, and the braces after it.
SELECTOR = re.compile(r"\b(restaurant_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|=)\s*"([^"]*)"')


@pytest.fixture(scope="module")
def figures(seeded_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Figures:
    directory = tmp_path_factory.mktemp("monitoring")
    app = create_app(
        {
            "DATABASE_URL": copy_sqlite(seeded_sqlite, directory),
            "INSTANCE_DIR": directory,
            "JWT_SECRET_KEY": SECRET,
        }
    )
    page = app.test_client().get("/metrics").text
    app.extensions["serving"].stop()
    app.extensions["waiter_service"].database.dispose()
    return Figures(page)


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    return [
        panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"
    ]


@pytest.fixture(scope="module")
def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def assert_answerable(expression: str, figures: Figures) -> None:
    """Assert that each metric exists with its labels, and with the values set at the start."""
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing), expression
    for name, braces in SELECTOR.findall(expression):
        series = [each.labels for each in figures.samples if each.name == name]
        assert series, f"{name} does not exist: {expression}"
        for label, _operator, values in MATCHER.findall(braces):
            if label == "instance":  # Prometheus's own
                continue
            known = {labels[label] for labels in series}
            assert set(values.split("|")) <= known, f"{label} of {name}: {expression}"


def test_every_query_of_the_dashboard_has_an_answer(
    panels: list[dict[str, Any]], figures: Figures
) -> None:
    for panel in panels:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert_answerable(target["expr"], figures)


def test_every_metric_is_on_the_dashboard(panels: list[dict[str, Any]], figures: Figures) -> None:
    shown = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    base_names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in figures.names}
    assert [name for name in sorted(base_names) if name not in shown] == []


def test_panels_do_not_overlap_and_have_unique_ids(panels: list[dict[str, Any]]) -> None:
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (place["x"] + dx, place["y"] + dy)
            for dx in range(place["w"])
            for dy in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_can_fire_and_has_instructions(
    alerts: list[dict[str, Any]], figures: Figures
) -> None:
    assert len({alert["alert"] for alert in alerts}) == len(alerts)
    for alert in alerts:
        name = alert["alert"]
        assert alert.keys() <= {"alert", "expr", "for", "labels", "annotations"}, name
        assert_answerable(alert["expr"], figures)
        assert alert["labels"]["severity"] in {"page", "ticket"}, name
        assert re.fullmatch(r"\d+[smh]", alert.get("for", "1m")), name
        annotations = alert["annotations"]
        assert annotations.keys() == {"summary", "description", "runbook"}, name
        assert annotations["runbook"].endswith("."), name


def test_alerts_watch_the_job_that_is_scraped(alerts: list[dict[str, Any]]) -> None:
    config = yaml.safe_load(SCRAPE.read_text())
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    assert config["rule_files"] == [ALERTS.name]
    assert any(f'up{{job="{job["job_name"]}"}}' in alert["expr"] for alert in alerts)


def test_every_instance_that_nginx_serves_is_scraped() -> None:
    (job,) = yaml.safe_load(SCRAPE.read_text())["scrape_configs"]
    (group,) = job["static_configs"]
    served = re.findall(r"^ *server (\S+) ", UPSTREAMS.read_text(), re.M)
    assert set(group["targets"]) == set(served)


def test_the_table_lists_exactly_the_existing_metrics(figures: Figures) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (gauge|counter|histogram) \|", TABLE.read_text(), re.M)
    listed = {f"restaurant_{name}" for name, _ in rows}
    assert len(listed) == len(rows)
    assert listed == {re.sub(r"_(bucket|sum|count)$", "", name) for name in figures.names}


def test_the_table_lists_every_value_of_a_label(figures: Figures) -> None:
    text = TABLE.read_text()
    # The event types are listed in events.md, to which the table links.
    for label in ("kind", "cause", "priority"):
        values = {each.labels[label] for each in figures.samples if label in each.labels}
        assert [value for value in values if value not in text] == [], label
