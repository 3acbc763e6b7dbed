"""Each notification method publishes one event to its audience, or names the wrong field."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from notifications.errors import BrokerUnavailable, InvalidNotification
from notifications.publishing.notification_service import NotificationService
from tests.support.histories import ReadableBroker
from waiter_service.statuses import OrderStatus, RequestStatus

NOW = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)

REQUEST: dict[str, Any] = {
    "session_id": "table-7",
    "waiter_id": "anna",
    "request_id": "req-1",
    "table_number": 7,
    "status": "Acknowledged",
    "previous_status": "New",
}
ORDER: dict[str, Any] = {
    "session_id": "table-7",
    "waiter_id": "anna",
    "order_id": "ord-1",
    "table_number": 7,
    "status": "Complete",
    "previous_status": "InProgress",
    "item_count": 3,
}
TRANSFER: dict[str, Any] = {
    "session_id": "table-7",
    "waiter_id": "ben",
    "previous_waiter_id": "anna",
    "table_number": 7,
}
REFRESH: dict[str, Any] = {
    "session_id": "table-7",
    "waiter_id": "anna",
    "affected_data": ["orders"],
    "affected_ids": ["ord-1"],
    "reason": "The kitchen says so",
}
CALLS = {
    "notify_request_update": REQUEST,
    "notify_order_update": ORDER,
    "notify_session_transfer": TRANSFER,
    "notify_cache_refresh": REFRESH,
}


@pytest.fixture
def broker() -> ReadableBroker:
    return ReadableBroker()


@pytest.fixture
def service(broker: ReadableBroker) -> NotificationService:
    return NotificationService(broker, clock=lambda: NOW)


def test_request_update_reaches_guest_waiter_and_floor(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_request_update(**REQUEST, version=2)

    told = {
        "sessionId": "table-7",
        "waiterId": "anna",
        "requestId": "req-1",
        "tableNumber": 7,
        "status": "Acknowledged",
        "previousStatus": "New",
        "message": "Your request has been acknowledged by your waiter - Table 7",
        "code": "request.acknowledged",
        "params": {"tableNumber": 7},
        "requiresRefresh": True,
        "timestamp": "2024-01-15T10:30:00.000Z",
        "version": 2,
    }
    assert broker.history == {
        "main:session:table-7": [("request_update", told)],
        "main:waiter:anna": [("request_update", told)],
        "main:floor:main": [("request_update", told)],
    }


def test_order_update_reaches_guest_waiter_floor_and_kitchen(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_order_update(**ORDER, version=4)

    told = {
        "sessionId": "table-7",
        "waiterId": "anna",
        "orderId": "ord-1",
        "tableNumber": 7,
        "status": "Complete",
        "previousStatus": "InProgress",
        "message": "Your order has been completed (3 items) - Table 7",
        "code": "order.complete",
        "params": {"tableNumber": 7, "itemCount": 3},
        "requiresRefresh": True,
        "timestamp": "2024-01-15T10:30:00.000Z",
        "version": 4,
    }
    assert broker.history == {
        "main:session:table-7": [("order_update", told)],
        "main:waiter:anna": [("order_update", told)],
        "main:floor:main": [("order_update", told)],
        "main:kitchen:main": [("order_update", told)],
    }


def test_transfer_reaches_the_guest_both_waiters_and_the_floor(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_session_transfer(**TRANSFER)

    told = {
        "sessionId": "table-7",
        "waiterId": "ben",
        "previousWaiterId": "anna",
        "tableNumber": 7,
        "message": "Your waiter has been updated (shift change) - Table 7",
        "code": "transfer.shift_change",
        "params": {"tableNumber": 7},
        "requiresRefresh": True,
        "timestamp": "2024-01-15T10:30:00.000Z",
        "version": None,
    }
    assert broker.history == {
        channel: [("session_transfer", told)]
        for channel in (
            "main:session:table-7",
            "main:waiter:ben",
            "main:waiter:anna",
            "main:floor:main",
        )
    }


def test_event_of_another_venue_reaches_the_channels_of_that_venue_alone(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_order_update(**ORDER, venue_id="north")
    service.notify_cache_refresh(**REFRESH, venue_id="north")

    assert set(broker.history) == {
        "north:session:table-7",
        "north:waiter:anna",
        "north:floor:north",
        "north:kitchen:north",
    }


@pytest.mark.parametrize("venue_id", ["", "*", "north:floor", 7, None])
def test_venue_that_is_no_id_is_refused_by_name(
    service: NotificationService, broker: ReadableBroker, venue_id: Any
) -> None:
    with pytest.raises(InvalidNotification) as caught:
        service.notify_order_update(**ORDER, venue_id=venue_id)
    assert caught.value.field == "venue_id"
    with pytest.raises(InvalidNotification) as caught:
        service.notify_cache_refresh(**REFRESH, venue_id=venue_id)
    assert caught.value.field == "venue_id"
    assert broker.history == {}


def test_refresh_reaches_the_channels_it_names(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_cache_refresh(**REFRESH)

    told = {
        "affectedData": ["orders"],
        "affectedIds": ["ord-1"],
        "message": "Cache refresh required: The kitchen says so",
        "code": "refresh",
        "params": {"affectedData": ["orders"]},
        "requiresRefresh": True,
        "timestamp": "2024-01-15T10:30:00.000Z",
    }
    assert broker.history == {
        "main:session:table-7": [("cache_refresh", told)],
        "main:waiter:anna": [("cache_refresh", told)],
    }


@pytest.mark.parametrize(
    ("ids", "channel"),
    [
        ({"session_id": "table-7"}, "main:session:table-7"),
        ({"waiter_id": "anna"}, "main:waiter:anna"),
    ],
)
def test_refresh_for_one_channel_reaches_no_other(
    service: NotificationService, broker: ReadableBroker, ids: dict[str, str], channel: str
) -> None:
    service.notify_cache_refresh(**ids, affected_data=["all"])
    assert list(broker.history) == [channel]


def test_refresh_names_each_kind_and_id_once_and_needs_no_reason(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_cache_refresh(
        waiter_id="anna",
        affected_data=["reviews", "orders", "reviews"],
        affected_ids=("r-1", "r-1", "ord-1"),
    )
    [told] = broker.payloads("main:waiter:anna")
    assert told["affectedData"] == ["orders", "reviews"]
    assert told["affectedIds"] == ["r-1", "ord-1"]
    assert told["message"] == "Cache refresh required: Data has changed"


def test_new_request_or_order_has_no_previous_status(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_order_update(**ORDER | {"status": "New", "previous_status": None})
    [told] = broker.payloads("main:session:table-7")
    assert told["previousStatus"] is None


@pytest.mark.parametrize(
    "spelling", ["InProgress", "in_progress", "in-progress", "INPROGRESS", OrderStatus.IN_PROGRESS]
)
def test_status_is_sent_in_its_wire_spelling_however_it_was_given(
    service: NotificationService, broker: ReadableBroker, spelling: str
) -> None:
    service.notify_order_update(**ORDER | {"status": spelling})
    [told] = broker.payloads("main:session:table-7")
    assert told["status"] == "InProgress"


def test_timestamp_is_the_moment_of_the_change_and_not_of_the_publication(
    service: NotificationService, broker: ReadableBroker
) -> None:
    vienna = timezone(timedelta(hours=1))
    service.notify_order_update(**ORDER, occurred_at=datetime(2024, 1, 15, 9, 0, tzinfo=vienna))
    [told] = broker.payloads("main:session:table-7")
    assert told["timestamp"] == "2024-01-15T08:00:00.000Z"


def test_one_key_gives_one_event_and_each_call_without_a_key_another(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_order_update(**ORDER, key="till-4711")
    service.notify_order_update(**ORDER, key="till-4711")
    assert len(broker.payloads("main:waiter:anna")) == 1

    service.notify_order_update(**ORDER)
    service.notify_order_update(**ORDER)
    assert len(broker.payloads("main:waiter:anna")) == 3


@pytest.mark.parametrize("name", CALLS)
def test_every_field_is_passed_by_name(service: NotificationService, name: str) -> None:
    parameters = inspect.signature(getattr(service, name)).parameters.values()
    assert all(each.kind is inspect.Parameter.KEYWORD_ONLY for each in parameters)


BAD_IDS = ["", " ", "a b", "a\n", "a\0", "../a", "-a", "é", "x" * 65, None, 7, b"a", ["a"]]
BAD_STATUSES = ["", "Lost", "Complete\n", 4, True, ["New"]]
BAD_MOMENTS = [datetime(2024, 1, 15), "yesterday", 1705314600]  # noqa: DTZ001 - bad on purpose
BAD_NUMBERS = [0, -1, True, 5.0, "5", [5]]
BAD_VALUES = [
    *(
        (name, field, bad)
        for name, values in CALLS.items()
        for field in values
        for bad in BAD_IDS
        if field.endswith("_id") and not (name == "notify_cache_refresh" and bad is None)
    ),
    *(
        (name, field, bad)
        for name in ("notify_request_update", "notify_order_update")
        for field in ("status", "previous_status")
        for bad in BAD_STATUSES
    ),
    ("notify_request_update", "status", OrderStatus.PAID),
    ("notify_order_update", "status", RequestStatus.ON_HOLD),
    ("notify_order_update", "status", None),
    *(
        (name, "table_number", bad)
        for name in CALLS
        if name != "notify_cache_refresh"
        for bad in (*BAD_NUMBERS, 10_000, None)
    ),
    *(
        (name, field, bad)
        for name in CALLS
        if name != "notify_cache_refresh"
        for field, values in (("version", BAD_NUMBERS), ("occurred_at", BAD_MOMENTS))
        for bad in values
    ),
    *(("notify_order_update", "item_count", bad) for bad in (-1, True, 1.5, "3")),
    *(("notify_cache_refresh", "affected_data", bad) for bad in ("orders", [], ["menu"], None, 5)),
    *(("notify_cache_refresh", "affected_ids", bad) for bad in ("ord-1", ["a b"], [7], None)),
    *(
        ("notify_cache_refresh", "reason", bad)
        for bad in (7, "\ud800", "bell\a", "escape\x1b[2J", "x" * 501)
    ),
    *((name, "key", bad) for name in CALLS for bad in ("x" * 81, "", 7)),
]


@pytest.mark.parametrize(("name", "field", "bad"), BAD_VALUES)
def test_bad_field_is_named_and_nothing_is_published(
    service: NotificationService, broker: ReadableBroker, name: str, field: str, bad: object
) -> None:
    notify: Callable[..., None] = getattr(service, name)
    with pytest.raises(InvalidNotification) as caught:
        notify(**CALLS[name] | {field: bad})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field}: ")
    assert broker.history == {}


def test_refresh_without_a_channel_is_refused(
    service: NotificationService, broker: ReadableBroker
) -> None:
    with pytest.raises(InvalidNotification) as caught:
        service.notify_cache_refresh(affected_data=["all"])
    assert caught.value.field == "session_id or waiter_id"
    assert broker.history == {}


@pytest.mark.parametrize("field", ["status", "previous_status"])
def test_unknown_status_error_names_its_field_once_and_lists_the_legal_ones(
    service: NotificationService, field: str
) -> None:
    with pytest.raises(InvalidNotification) as caught:
        service.notify_order_update(**ORDER | {field: "Lost"})
    assert str(caught.value) == (
        f"{field}: 'Lost' is none of New, Acknowledged, InProgress, Complete, Delivered, Paid, "
        "Cancelled, Rejected"
    )


def test_transfer_names_the_given_cause(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_session_transfer(**TRANSFER, cause="section_change")

    [(_, told)] = broker.history["main:session:table-7"]
    assert told["message"] == "Your waiter has been updated (section change) - Table 7"


def test_unknown_cause_error_lists_the_legal_ones(
    service: NotificationService, broker: ReadableBroker
) -> None:
    with pytest.raises(InvalidNotification) as caught:
        service.notify_session_transfer(**TRANSFER, cause="whim")
    assert str(caught.value) == (
        "cause: must be one of shift_change, break, section_change, workload, other"
    )
    assert broker.history == {}


def test_missing_field_is_a_programming_error(service: NotificationService) -> None:
    with pytest.raises(TypeError, match="table_number"):
        service.notify_session_transfer(
            **{field: value for field, value in TRANSFER.items() if field != "table_number"}
        )


def test_caller_gets_an_error_when_the_broker_is_away(
    service: NotificationService, broker: ReadableBroker
) -> None:
    broker.save()  # a saved broker publishes nothing
    with pytest.raises(BrokerUnavailable):
        service.notify_order_update(**ORDER)


def test_text_with_line_separators_stays_one_event(
    service: NotificationService, broker: ReadableBroker
) -> None:
    service.notify_cache_refresh(
        waiter_id="anna", affected_data=["all"], reason="one\u2028two\r\ndata: {}\n\nevent: forged"
    )
    [event] = broker.events("main:waiter:anna")
    assert event.block.isascii()
    assert event.block.count(b"\n") == 4, "the lines event, data and id, and a blank line"
    [told] = broker.payloads("main:waiter:anna")
    assert told["message"] == "Cache refresh required: one\u2028two data: {}  event: forged"
