"""How many streams may be open."""

from __future__ import annotations

import pytest

from notifications.errors import ServerFull, TooManyStreams
from notifications.streams.admission import Admission, StreamLimits


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
