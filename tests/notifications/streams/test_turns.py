"""How fast clients are let in: as fast as the event loop bears it."""

from __future__ import annotations

import time

import gevent
import pytest

from notifications.errors import ServerBusy, ServerDraining, StreamRefused
from notifications.streams import turns as turns_module
from notifications.streams.turns import FIRST_BATCH, MIN_BATCH, Turns

CROWD = 500


def come(turns: Turns, number: int, *, work_seconds: float = 0.0) -> list[int | StreamRefused]:
    """Have so many ask for a turn at once; return who got one, in order, and refusals."""
    order: list[int | StreamRefused] = []

    def take(who: int) -> None:
        try:
            turns.take()
        except StreamRefused as refused:
            order.append(refused)
            return
        order.append(who)
        gevent.sleep(0)  # all have asked before the first one works
        ends_at = time.monotonic() + work_seconds
        while time.monotonic() < ends_at:
            """Use the processor, as opening a stream does."""

    gevent.joinall([gevent.spawn(take, who) for who in range(number)], timeout=60)
    gevent.sleep(2 * turns_module.BATCH_SECONDS)  # its greenlet ends
    return order


def test_few_are_let_in_without_waiting() -> None:
    turns = Turns()
    for _ in range(FIRST_BATCH):
        turns.take()


def test_storm_is_let_in_in_the_order_it_came() -> None:
    assert come(Turns(), CROWD) == list(range(CROWD))


def test_more_are_let_in_at_a_time_while_the_loop_is_in_time() -> None:
    turns = Turns()
    turns.batch = MIN_BATCH
    come(turns, CROWD)
    assert turns.batch > MIN_BATCH


def test_fewer_are_let_in_at_a_time_once_the_loop_is_late() -> None:
    turns = Turns()
    assert len(come(turns, 150, work_seconds=0.005)) == 150
    assert turns.batch < FIRST_BATCH / 2


def test_who_would_wait_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "MAX_WAIT_SECONDS", 0.0)
    order = come(Turns(), CROWD)
    assert order[:FIRST_BATCH] == list(range(FIRST_BATCH))
    assert isinstance(order[-1], ServerBusy)
    assert order[-1].retry_after_seconds == 5


def test_who_waits_is_refused_once_there_are_no_turns_any_more() -> None:
    turns = Turns()
    gevent.spawn(turns.close)
    order = come(turns, CROWD)
    assert isinstance(order[-1], ServerDraining)
    with pytest.raises(ServerDraining):
        turns.take()
