"""How many streams may be open, and how fast they open, which depends on the event loop's delay."""

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
    VenueFull,
)
from notifications.streams import admission as admission_module
from notifications.streams.admission import FIRST_BATCH, MIN_BATCH, Admission, StreamLimits

CROWD = 500


def test_bearer_with_enough_streams_is_refused_and_others_are_not() -> None:
    admission = Admission(StreamLimits(max_streams_per_principal=2))
    admission.enter("waiter:anna", "main")
    admission.enter("waiter:anna", "main")
    with pytest.raises(TooManyStreams, match="2 streams open") as caught:
        admission.enter("waiter:anna", "main")
    assert caught.value.retry_after_seconds == 5
    admission.enter("waiter:ben", "main")


def test_bearer_that_closes_a_stream_may_open_another() -> None:
    admission = Admission(StreamLimits(max_streams_per_principal=1))
    for _ in range(3):
        admission.enter("waiter:anna", "main")
        admission.leave("waiter:anna", "main")
    admission.enter("waiter:anna", "main")


def test_full_server_refuses_all_bearers_until_a_stream_ends() -> None:
    admission = Admission(StreamLimits(max_streams=2))
    admission.enter("waiter:anna", "main")
    admission.enter("waiter:ben", "main")
    with pytest.raises(ServerFull) as caught:
        admission.enter("waiter:carl", "main")
    assert caught.value.retry_after_seconds == 5
    admission.leave("waiter:anna", "main")
    admission.enter("waiter:carl", "main")


def test_venue_with_enough_streams_is_refused_and_others_are_not() -> None:
    admission = Admission(StreamLimits(max_streams_per_venue=2))
    for number in range(5):
        admission.enter(f"waiter:w{number}", "main")
    # The limit counts from the moment when there are several venues.
    admission.limits_venues = True
    with pytest.raises(VenueFull) as caught:
        admission.enter("waiter:anna", "main")
    assert caught.value.retry_after_seconds == 5
    for _ in range(2):
        admission.enter("waiter:carla", "north")
    with pytest.raises(VenueFull):
        admission.enter("waiter:carla", "north")
    admission.leave("waiter:carla", "north")
    admission.enter("waiter:carla", "north")


def test_limit_of_a_venue_can_be_switched_off() -> None:
    admission = Admission(StreamLimits(max_streams_per_venue=0))
    admission.limits_venues = True
    for number in range(5):
        admission.enter(f"waiter:w{number}", "main")


def test_refused_stream_is_not_counted() -> None:
    admission = Admission(StreamLimits(max_streams=1, max_streams_per_principal=1))
    admission.enter("waiter:anna", "main")
    for _ in range(5):
        with pytest.raises(TooManyStreams):
            admission.enter("waiter:anna", "main")
        with pytest.raises(ServerFull):
            admission.enter("waiter:ben", "main")
    admission.leave("waiter:anna", "main")
    admission.enter("waiter:ben", "main")


# -- turns ---------------------------------------------------------------------------


def ask_for_turns(
    admission: Admission, number: int, *, work_seconds: float = 0.0
) -> list[int | StreamRefused]:
    """Let ``number`` greenlets ask for a turn at once; return turns and refusals in order."""
    order: list[int | StreamRefused] = []

    def take(who: int) -> None:
        try:
            admission.wait_for_turn()
        except StreamRefused as refused:
            order.append(refused)
            return
        order.append(who)
        gevent.sleep(0)  # all greenlets ask before the first one works
        ends_at = time.monotonic() + work_seconds
        while time.monotonic() < ends_at:
            """Use the processor, as opening a stream does."""

    gevent.joinall([gevent.spawn(take, who) for who in range(number)], timeout=60)
    gevent.sleep(2 * admission_module.BATCH_SECONDS)  # the greenlet of the admission ends
    return order


def test_first_streams_open_without_waiting() -> None:
    admission = Admission()
    for _ in range(FIRST_BATCH):
        admission.wait_for_turn()


def test_storm_is_admitted_in_order_of_arrival() -> None:
    assert ask_for_turns(Admission(), CROWD) == list(range(CROWD))


def test_batches_grow_while_the_event_loop_is_on_time() -> None:
    admission = Admission()
    admission.batch = MIN_BATCH
    ask_for_turns(admission, CROWD)
    assert admission.batch > MIN_BATCH


def test_batches_shrink_when_the_event_loop_is_late() -> None:
    admission = Admission()

    def begin_storm() -> None:
        """Take every turn of this moment and wait for one more, so that all others wait behind it.

        On a busy machine the crowd asks so slowly that its last members would find new turns.
        """
        for _ in range(FIRST_BATCH + 1):
            admission.wait_for_turn()

    gevent.spawn(begin_storm)
    assert len(ask_for_turns(admission, 150, work_seconds=0.005)) == 150
    assert admission.batch < FIRST_BATCH / 2


def test_stream_that_would_wait_too_long_is_refused_with_a_retry_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission_module, "MAX_WAIT_SECONDS", 0.0)
    order = ask_for_turns(Admission(), CROWD)
    assert order[:FIRST_BATCH] == list(range(FIRST_BATCH))
    assert isinstance(order[-1], ServerBusy)
    assert order[-1].retry_after_seconds == 5


def test_waiting_streams_are_refused_when_admission_closes() -> None:
    admission = Admission()
    gevent.spawn(admission.close)
    order = ask_for_turns(admission, CROWD)
    assert isinstance(order[-1], ServerDraining)
    with pytest.raises(ServerDraining):
        admission.wait_for_turn()
