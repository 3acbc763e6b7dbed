"""A repeated failure is logged when it begins and when it ends."""

from __future__ import annotations

import logging

import gevent
import pytest

from notifications.repeated_failure import RepeatedFailure

log = logging.getLogger("tests.repeated_failure")


@pytest.fixture
def failure(caplog: pytest.LogCaptureFixture) -> RepeatedFailure:
    caplog.set_level("INFO", log.name)
    return RepeatedFailure(log, begins="it fails", ends="it works again")


def fail(failure: RepeatedFailure, error: BaseException) -> None:
    with failure.told():
        raise error


def succeed(failure: RepeatedFailure) -> None:
    with failure.told():
        pass


def test_failure_is_logged_once_with_its_traceback_and_once_when_it_ends(
    failure: RepeatedFailure, caplog: pytest.LogCaptureFixture
) -> None:
    succeed(failure)
    for _ in range(10):
        fail(failure, ConnectionError("no route"))
    succeed(failure)
    succeed(failure)
    assert caplog.messages == ["it fails", "it works again"]
    assert caplog.text.count("no route") == 1


def test_failure_that_returns_is_logged_again(
    failure: RepeatedFailure, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        fail(failure, ConnectionError())
        succeed(failure)
    assert caplog.messages == ["it fails", "it works again"] * 2


def test_different_error_during_a_failure_is_logged_too(
    failure: RepeatedFailure, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        fail(failure, ConnectionError("no route"))
        fail(failure, KeyError("a bug"))
    succeed(failure)
    assert caplog.messages == ["it fails", "it fails", "it works again"]
    assert "a bug" in caplog.text


@pytest.mark.parametrize("error", [gevent.GreenletExit(), gevent.Timeout()])
def test_exception_that_ends_a_greenlet_passes_through(
    failure: RepeatedFailure, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        fail(failure, error)
