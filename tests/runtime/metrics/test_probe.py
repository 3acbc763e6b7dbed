"""A probe asks a question that may hang, and does not hang itself."""

from __future__ import annotations

import time

import gevent
import pytest
from gevent.event import Event

from runtime.metrics.probe import NoAnswer, Probe


def test_a_probe_returns_the_answer() -> None:
    assert Probe(lambda: 42).answer() == 42


def test_an_error_reaches_the_caller() -> None:
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        Probe(fail).answer()


def test_each_call_asks_again() -> None:
    answers = iter([1, 2])
    probe = Probe(lambda: next(answers))
    assert (probe.answer(), probe.answer()) == (1, 2)


def test_a_hanging_question_is_not_waited_for_and_not_repeated() -> None:
    asked = []
    may_go_on = Event()

    def hang() -> str:
        asked.append(True)
        may_go_on.wait()
        return "at last"

    probe = Probe(hang, timeout_seconds=0.05)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(NoAnswer):
            probe.answer()
    assert time.monotonic() - started < 5
    assert len(asked) == 1

    patient = gevent.spawn(probe.answer)
    gevent.sleep(0)
    may_go_on.set()
    assert patient.get() == "at last"
    assert probe.answer() == "at last"
    assert len(asked) == 2
