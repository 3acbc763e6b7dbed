"""Pauses between attempts to connect."""

from __future__ import annotations

import gevent
import pytest

from notifications.redis.backoff import FIRST_SECONDS, MAX_SECONDS, Backoff


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr(gevent, "sleep", pauses.append)
    return pauses


def test_first_attempt_comes_at_once_and_pauses_double_up_to_the_longest(pauses):
    backoff = Backoff()
    for _ in range(10):
        backoff.pause()

    assert pauses[0] == 0
    for number, seconds in enumerate(pauses[1:]):
        longest = min(FIRST_SECONDS * 2**number, MAX_SECONDS)
        assert longest / 2 <= seconds <= longest


def test_next_attempt_after_a_good_connection_comes_at_once(pauses):
    backoff = Backoff()
    for _ in range(5):
        backoff.pause()
    backoff.reset()
    backoff.pause()

    assert pauses[-1] == 0
