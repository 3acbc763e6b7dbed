"""An outage is logged when it begins and when it ends, however many changes fail."""

from __future__ import annotations

import logging

import pytest

from waiter_service.outbox.announcer import FORGET_SECONDS, FailingChanges


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failing(clock: Clock, caplog: pytest.LogCaptureFixture) -> FailingChanges:
    caplog.set_level(logging.INFO)
    return FailingChanges(clock)


def fail(failing: FailingChanges, change_id: str, error: Exception | None = None) -> None:
    if failing.is_news(change_id, error or ConnectionError()):
        logging.getLogger("test").error("change %s failed", change_id)


def test_an_outage_logs_one_line_at_its_beginning_and_one_at_its_end(
    failing: FailingChanges, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        for number in range(100):
            fail(failing, f"change-{number}")
    for number in range(100):
        failing.taken(f"change-{number}")
    first, last = caplog.records
    assert first.getMessage() == "change change-0 failed"
    assert last.getMessage() == "changes are announced again"
    assert last.fields == {"failures": 300}  # type: ignore[attr-defined]


def test_another_kind_of_failure_is_logged_too(
    failing: FailingChanges, caplog: pytest.LogCaptureFixture
) -> None:
    fail(failing, "one")
    fail(failing, "two", ValueError())
    fail(failing, "three", ValueError())
    assert len(caplog.records) == 2


def test_a_change_that_always_fails_is_not_logged_at_each_attempt(
    failing: FailingChanges, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails every half minute, while all other changes succeed."""
    for _ in range(10):
        fail(failing, "poison")
        failing.taken("another")
        clock.now += 30
    assert len(caplog.records) == 1


def test_a_failing_change_that_another_process_took_is_forgotten(
    failing: FailingChanges, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fail(failing, "one")
    clock.now += FORGET_SECONDS + 1
    failing.taken("another")
    assert caplog.records[-1].getMessage() == "changes are announced again"
    fail(failing, "two")
    assert caplog.records[-1].getMessage() == "change two failed"
