"""The tasks that delete old data."""

from __future__ import annotations

import logging

import gevent
import pytest

from runtime import housekeeping
from runtime.housekeeping import Housekeeping
from waiter_service import DatabaseUnavailable


@pytest.fixture(autouse=True)
def _short_interval(monkeypatch):
    monkeypatch.setattr(housekeeping, "INTERVAL_SECONDS", 0.001)


def eventually(condition):
    with gevent.Timeout(5):
        while not condition():
            gevent.sleep(0.001)


@pytest.fixture
def keep():
    started = []

    def start(*tasks):
        started.append(Housekeeping(tasks))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.stop()


def test_every_task_runs_in_every_round(keep):
    first, second = [], []
    keep(lambda: first.append(1), lambda: second.append(1))

    eventually(lambda: len(first) >= 3 and len(second) >= 3)


def test_a_failing_task_does_not_stop_other_tasks_or_later_rounds(keep, caplog):
    caplog.set_level(logging.ERROR, "housekeeping")
    ran = []

    def failing():
        raise OSError("the disk is full")

    keep(failing, lambda: ran.append(1))

    eventually(lambda: len(ran) >= 3)
    assert "the next round tries again" in caplog.text


def test_deadlines_are_checked_every_second_and_a_failure_is_logged_once(monkeypatch, caplog):
    monkeypatch.setattr(housekeeping, "DEADLINE_SECONDS", 0.001)
    monkeypatch.setattr(housekeeping, "INTERVAL_SECONDS", 3600)
    caplog.set_level(logging.INFO, "housekeeping")
    looks, hourly = [], []

    def look():
        looks.append(1)
        if len(looks) < 4:
            raise OSError("the disk is full")

    kept = Housekeeping([lambda: hourly.append(1)], every_second=[look])
    kept.start()
    eventually(lambda: len(looks) >= 5)
    kept.stop()

    assert hourly == []
    begins, ends = (record.message for record in caplog.records)
    assert begins.startswith("deadlines could not be looked for")
    assert ends == "deadlines can be looked for again"


def test_a_database_that_is_away_is_a_warning_without_a_traceback(keep, caplog):
    ran = []

    def away():
        ran.append(1)
        raise DatabaseUnavailable("connection refused")

    keep(away)
    kept = Housekeeping([], every_second=[away])
    kept.start()
    eventually(lambda: len(ran) >= 2)
    kept.stop()

    assert caplog.records
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert all(record.exc_info is None for record in caplog.records)


def test_no_task_runs_after_the_stop(keep):
    ran = []
    kept = keep(lambda: ran.append(1))
    eventually(lambda: ran)

    kept.stop()
    before = len(ran)
    gevent.sleep(0.02)

    assert len(ran) == before
