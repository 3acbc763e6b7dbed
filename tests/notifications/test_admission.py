"""How many streams are let in, and how fast."""

from __future__ import annotations

import pytest

from notifications.admission import MAX_WAIT_SECONDS, Admission, StreamLimits
from notifications.errors import ServerBusy, ServerFull, TooManyStreams


def test_bearer_with_enough_streams_is_refused_and_others_are_not() -> None:
    admission = Admission(StreamLimits(max_streams_per_principal=2))
    admission.enter("waiter:anna", 0.0)
    admission.enter("waiter:anna", 0.0)
    with pytest.raises(TooManyStreams, match="2 streams open") as caught:
        admission.enter("waiter:anna", 0.0)
    assert caught.value.retry_after_seconds == 5
    admission.enter("waiter:ben", 0.0)


def test_bearer_who_closes_one_may_open_another() -> None:
    admission = Admission(StreamLimits(max_streams_per_principal=1))
    for _ in range(3):
        admission.enter("waiter:anna", 0.0)
        admission.leave("waiter:anna")
    admission.enter("waiter:anna", 0.0)


def test_full_server_refuses_everyone_until_somebody_leaves() -> None:
    admission = Admission(StreamLimits(max_streams=2))
    admission.enter("waiter:anna", 0.0)
    admission.enter("waiter:ben", 0.0)
    with pytest.raises(ServerFull) as caught:
        admission.enter("waiter:carl", 0.0)
    assert caught.value.retry_after_seconds == 5
    admission.leave("waiter:anna")
    admission.enter("waiter:carl", 0.0)


def test_refused_stream_is_not_counted() -> None:
    admission = Admission(StreamLimits(max_streams=1, max_streams_per_principal=1))
    admission.enter("waiter:anna", 0.0)
    for _ in range(5):
        with pytest.raises(TooManyStreams):
            admission.enter("waiter:anna", 0.0)
        with pytest.raises(ServerFull):
            admission.enter("waiter:ben", 0.0)
    admission.leave("waiter:anna")
    admission.enter("waiter:ben", 0.0)


def test_few_are_let_in_without_waiting() -> None:
    admission = Admission(StreamLimits(opens_per_second=10))
    assert [admission.enter(f"waiter:{n}", 100.0) for n in range(5)] == [0.0] * 5


def test_storm_is_let_in_at_a_steady_rate() -> None:
    admission = Admission(StreamLimits(opens_per_second=10))
    waits = [admission.enter(f"waiter:{n}", 100.0) for n in range(30)]
    assert waits[:6] == pytest.approx([0.0] * 6, abs=1e-6)
    assert waits[6:] == pytest.approx([0.1 * turn for turn in range(1, 25)])


def test_who_would_wait_too_long_is_sent_away_and_takes_no_turn() -> None:
    admission = Admission(StreamLimits(opens_per_second=10))
    while admission.enter("waiter:anna", 100.0) < MAX_WAIT_SECONDS - 0.05:
        admission.leave("waiter:anna")
    for _ in range(3):
        with pytest.raises(ServerBusy) as caught:
            admission.enter("waiter:ben", 99.8)
        assert caught.value.retry_after_seconds == 5
    # A second later a second's worth of turns has gone by, whoever was sent away.
    assert admission.enter("waiter:ben", 101.0) == pytest.approx(MAX_WAIT_SECONDS - 0.9)


def test_quiet_time_saves_up_no_more_than_half_a_second_of_turns() -> None:
    admission = Admission(StreamLimits(opens_per_second=10))
    admission.enter("waiter:anna", 100.0)
    waits = [admission.enter(f"waiter:{n}", 5000.0) for n in range(10)]
    assert waits == pytest.approx([0.0] * 6 + [0.1, 0.2, 0.3, 0.4], abs=1e-6)
