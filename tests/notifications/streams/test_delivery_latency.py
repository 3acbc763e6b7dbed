"""A sample of delivery latencies, taken cheaply."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from notifications.events.cache_refresh import AffectedData, CacheRefresh
from notifications.events.encoding import StoredEvent, body
from notifications.events.request_update import RequestUpdate
from notifications.streams.delivery_latency import (
    MAX_EVENTS,
    MAX_SAMPLES,
    DeliveryLatency,
    happened_at,
)
from waiter_service.statuses import RequestStatus

NOW = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


def event(seconds_ago: float = 0.0) -> StoredEvent:
    payload = RequestUpdate(
        session_id="table-7",
        waiter_id="anna",
        request_id="req-1",
        table_number=7,
        status=RequestStatus.NEW,
        previous_status=None,
        message="Your request has been received - Table 7",
        code="request.new",
        params={"tableNumber": 7},
        timestamp=NOW - timedelta(seconds=seconds_ago),
        version=1,
    )
    return StoredEvent("e1", 1, body(payload))


@pytest.fixture
def latency() -> DeliveryLatency:
    return DeliveryLatency(clock=NOW.timestamp)


def test_latency_is_the_time_from_the_timestamp_to_the_write(latency: DeliveryLatency) -> None:
    latency.expect(event(seconds_ago=1.5))
    latency.expect(event(seconds_ago=0.25))
    latency.written()
    assert latency.take() == [1.5, 0.25]


def test_each_event_is_reported_once(latency: DeliveryLatency) -> None:
    latency.expect(event())
    latency.written()
    assert len(latency.take()) == 1
    assert latency.take() == []


def test_event_is_reported_only_after_it_was_written(latency: DeliveryLatency) -> None:
    latency.expect(event())
    assert latency.take() == []
    latency.written()
    assert len(latency.take()) == 1


def test_timestamp_in_the_future_counts_as_no_delay(latency: DeliveryLatency) -> None:
    latency.expect(event(seconds_ago=-3))
    latency.written()
    assert latency.take() == [0.0]


def test_only_a_sample_of_many_events_is_reported(latency: DeliveryLatency) -> None:
    for _ in range(MAX_EVENTS):
        latency.expect(event())
    latency.written()
    assert len(latency.take()) == MAX_SAMPLES


def test_unread_latencies_are_bounded(latency: DeliveryLatency) -> None:
    one = event()
    for _ in range(MAX_EVENTS + 1000):
        latency.expect(one)
        latency.written()
    assert sum(len(events) for _, events in latency._turns) == MAX_EVENTS

    latency.take()
    latency.expect(one)
    latency.written()
    assert len(latency.take()) == 1


def test_text_that_looks_like_a_timestamp_is_ignored() -> None:
    payload = CacheRefresh(
        affected_data=(AffectedData.ALL,),
        message='"timestamp":"1970-01-01T00:00:00.000Z"',
        code="refresh",
        params={"affectedData": (AffectedData.ALL,)},
        timestamp=NOW,
    )
    assert happened_at(StoredEvent("e1", 1, body(payload))) == NOW.timestamp()


def test_event_without_a_timestamp_is_left_out(latency: DeliveryLatency) -> None:
    latency.expect(StoredEvent("e1", 1, b"event: other\ndata: {}\n"))
    latency.written()
    assert latency.take() == []
