"""Waiting for a condition with a deadline, without a bare sleep."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    timeout: float = 5.0,
    message: str | Callable[[], str] = "",
    interval: float = 0.02,
) -> T:
    """Return the first true value of ``condition()``, asked every ``interval`` seconds.

    An ``OSError`` or ``AssertionError`` in it counts as "not yet". Blocks the
    thread: inside gevent code, wait on the event itself.

    Raises:
        AssertionError: ``timeout`` seconds went by; it shows ``message`` and
            the last value or error.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            if value := condition():
                return value
            last = value
        except (OSError, AssertionError) as error:
            last = error
        if time.monotonic() > deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"not within {timeout:g} s: {said or condition}; last: {last!r}")
        time.sleep(interval)


def stays_true(condition: Callable[[], object], seconds: float, interval: float = 0.05) -> None:
    """Assert that ``condition()`` holds for ``seconds``, for what must not happen.

    Blocks the thread, as ``wait_until`` does.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"not for {seconds:g} s: {condition}"
        time.sleep(interval)
