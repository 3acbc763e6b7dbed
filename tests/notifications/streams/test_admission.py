"""How many streams may be open, and how fast they open: as fast as the event loop bears it."""

from __future__ import annotations

import time

import gevent
import pytest

from notifications.errors import (
    ServerBusy,
    ServerDraining,
    ServerFull,
    StreamRefused,
    TooManyStreams,
)
from notifications.streams import admission as admission_module
from notifications.streams.admission import FIRST_BATCH, MIN_BATCH, Admission, StreamLimits

CROWD = 500


def test_bearer_with_enough_streams_is_refused_and_others_are_not() -> None:
    admission = Admission(StreamLimits(max_streams_per_principal=2))
    admission.enter("waiter:anna")
    admission.enter("waiter:anna")
    with pytest.raises(TooManyStreams, match="2 streams open") as caught:
        admission.enter("waiter:anna")
    assert caught.value.retry_after_seconds == 5
    admission.enter("waiter:ben")


def test_bearer_who_closes_one_may_open_another() -> None:
    admission = Admission(StreamLimits(max_streams_per_principal=1))
    for _ in range(3):
        admission.enter("waiter:anna")
        admission.leave("waiter:anna")
    admission.enter("waiter:anna")


def test_full_server_refuses_everyone_until_somebody_leaves() -> None:
    admission = Admission(StreamLimits(max_streams=2))
    admission.enter("waiter:anna")
    admission.enter("waiter:ben")
    with pytest.raises(ServerFull) as caught:
        admission.enter("waiter:carl")
    assert caught.value.retry_after_seconds == 5
    admission.leave("waiter:anna")
    admission.enter("waiter:carl")


def test_refused_stream_is_not_counted() -> None:
    admission = Admission(StreamLimits(max_streams=1, max_streams_per_principal=1))
    admission.enter("waiter:anna")
    for _ in range(5):
        with pytest.raises(TooManyStreams):
            admission.enter("waiter:anna")
        with pytest.raises(ServerFull):
            admission.enter("waiter:ben")
    admission.leave("waiter:anna")
    admission.enter("waiter:ben")


# -- turns ---------------------------------------------------------------------------


def come(
    admission: Admission, number: int, *, work_seconds: float = 0.0
) -> list[int | StreamRefused]:
    """Have so many ask for a turn at once; return who got one, in order, and refusals."""
    order: list[int | StreamRefused] = []

    def take(who: int) -> None:
        try:
            admission.wait_for_turn()
        except StreamRefused as refused:
            order.append(refused)
            return
        order.append(who)
        gevent.sleep(0)  # all have asked before the first one works
        ends_at = time.monotonic() + work_seconds
        while time.monotonic() < ends_at:
            """Use the processor, as opening a stream does."""

    gevent.joinall([gevent.spawn(take, who) for who in range(number)], timeout=60)
    gevent.sleep(2 * admission_module.BATCH_SECONDS)  # its greenlet ends
    return order


def test_few_are_let_in_without_waiting() -> None:
    admission = Admission()
    for _ in range(FIRST_BATCH):
        admission.wait_for_turn()


def test_storm_is_let_in_in_the_order_it_came() -> None:
    assert come(Admission(), CROWD) == list(range(CROWD))


def test_more_are_let_in_at_a_time_while_the_loop_is_in_time() -> None:
    admission = Admission()
    admission.batch = MIN_BATCH
    come(admission, CROWD)
    assert admission.batch > MIN_BATCH


def test_fewer_are_let_in_at_a_time_once_the_loop_is_late() -> None:
    admission = Admission()

    def begin_storm() -> None:
        """Take every turn of this moment, and wait for one more: others must wait behind it.

        On a busy machine a crowd alone takes so long to ask that its end finds new turns.
        """
        for _ in range(FIRST_BATCH + 1):
            admission.wait_for_turn()

    gevent.spawn(begin_storm)
    assert len(come(admission, 150, work_seconds=0.005)) == 150
    assert admission.batch < FIRST_BATCH / 2


def test_who_would_wait_too_long_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission_module, "MAX_WAIT_SECONDS", 0.0)
    order = come(Admission(), CROWD)
    assert order[:FIRST_BATCH] == list(range(FIRST_BATCH))
    assert isinstance(order[-1], ServerBusy)
    assert order[-1].retry_after_seconds == 5


def test_who_waits_is_refused_once_there_are_no_turns_any_more() -> None:
    admission = Admission()
    gevent.spawn(admission.close)
    order = come(admission, CROWD)
    assert isinstance(order[-1], ServerDraining)
    with pytest.raises(ServerDraining):
        admission.wait_for_turn()
