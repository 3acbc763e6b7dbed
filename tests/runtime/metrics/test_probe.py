"""Asking what may hang, without hanging along."""

from __future__ import annotations

import time

import gevent
import pytest
from gevent.event import Event

from runtime.metrics.probe import NoAnswer, Probe


def test_answer_is_what_was_asked_for() -> None:
    assert Probe(lambda: 42).answer() == 42


def test_error_reaches_whoever_asked() -> None:
    def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        Probe(fail).answer()


def test_each_question_is_asked_anew() -> None:
    answers = iter([1, 2])
    probe = Probe(lambda: next(answers))
    assert (probe.answer(), probe.answer()) == (1, 2)


def test_hanging_answer_is_not_waited_for_and_asked_for_only_once() -> None:
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
