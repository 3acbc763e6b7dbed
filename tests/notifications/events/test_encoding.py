"""The exact bytes of an event on the wire."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.events.cache_refresh import AffectedData, CacheRefresh, RefreshParams
from notifications.events.closing import Closing
from notifications.events.connection import Connection
from notifications.events.encoding import EventId, Frame, StoredEvent, block, body
from notifications.events.heartbeat import Heartbeat
from notifications.events.order_update import OrderUpdate
from notifications.events.payload import Payload, TableParams, format_timestamp
from notifications.events.request_update import RequestUpdate
from notifications.events.session_transfer import SessionTransfer
from waiter_service.statuses import OrderStatus, RequestStatus

HALF_PAST_TEN = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)


def order_update(**changes: Any) -> OrderUpdate:
    values: dict[str, Any] = {
        "session_id": "session-123",
        "waiter_id": "waiter-456",
        "order_id": "order-789",
        "table_number": 5,
        "status": OrderStatus.COMPLETE,
        "previous_status": OrderStatus.IN_PROGRESS,
        "message": "Your order has been completed (3 items) - Table 5",
        "code": "order.complete",
        "params": {"table_number": 5, "item_count": 3},
        "timestamp": HALF_PAST_TEN,
        "version": 4,
    }
    return OrderUpdate(**values | changes)


class Forged(Payload):
    event_type = "order_update\ndata: {}"


def test_order_update_equals_the_published_example() -> None:
    event = StoredEvent("k3f9a1", 42, body(order_update()))
    assert event.block == (
        b"event: order_update\n"
        b'data: {"sessionId":"session-123","waiterId":"waiter-456","orderId":"order-789",'
        b'"tableNumber":5,"status":"Complete","previousStatus":"InProgress",'
        b'"message":"Your order has been completed (3 items) - Table 5","code":"order.complete",'
        b'"params":{"tableNumber":5,"itemCount":3},"requiresRefresh":true,'
        b'"timestamp":"2024-01-15T10:30:00.000Z","version":4}\n'
        b"id: k3f9a1-42\n"
        b"\n"
    )


def test_connection_equals_the_published_example() -> None:
    connection = Connection(
        connection_id="8c1f",
        session_id="session-123",
        heartbeat_seconds=30.0,
        resumed=False,
        expires_at=HALF_PAST_TEN,
    )
    assert block(connection, retry_ms=2817) == (
        b"retry: 2817\n"
        b"event: connection\n"
        b'data: {"connectionId":"8c1f","sessionId":"session-123","heartbeatSeconds":30,'
        b'"resumed":false,"expiresAt":"2024-01-15T10:30:00.000Z"}\n'
        b"\n"
    )


def test_connection_of_a_waiter_names_the_waiter_only() -> None:
    connection = Connection(
        connection_id="8c1f",
        waiter_id="anna",
        heartbeat_seconds=0.25,
        resumed=True,
        expires_at=HALF_PAST_TEN,
    )
    wire = connection.to_wire()
    assert list(wire) == ["connectionId", "waiterId", "heartbeatSeconds", "resumed", "expiresAt"]
    assert wire["heartbeatSeconds"] == 0.25


def test_heartbeat_equals_the_published_example() -> None:
    assert block(Heartbeat(timestamp=HALF_PAST_TEN)) == (
        b'event: heartbeat\ndata: {"timestamp":"2024-01-15T10:30:00.000Z"}\n\n'
    )


def test_request_update_has_its_keys_in_the_fixed_order() -> None:
    update = RequestUpdate(
        session_id="table-7",
        waiter_id="anna",
        request_id="req-1",
        table_number=7,
        status=RequestStatus.NEW,
        previous_status=None,
        message="Your request has been received - Table 7",
        code="request.new",
        params=TableParams(table_number=7),
        timestamp=HALF_PAST_TEN,
        version=1,
    )
    assert list(update.to_wire().items()) == [
        ("sessionId", "table-7"),
        ("waiterId", "anna"),
        ("requestId", "req-1"),
        ("tableNumber", 7),
        ("status", "New"),
        ("previousStatus", None),
        ("message", "Your request has been received - Table 7"),
        ("code", "request.new"),
        ("params", {"tableNumber": 7}),
        ("requiresRefresh", True),
        ("timestamp", "2024-01-15T10:30:00.000Z"),
        ("version", 1),
    ]


def test_session_transfer_has_its_keys_in_the_fixed_order() -> None:
    transfer = SessionTransfer(
        session_id="table-7",
        waiter_id="ben",
        previous_waiter_id="anna",
        table_number=7,
        message="Your waiter has been updated (shift change) - Table 7",
        code="transfer.shift_change",
        params=TableParams(table_number=7),
        timestamp=HALF_PAST_TEN,
        version=2,
    )
    assert list(transfer.to_wire().items()) == [
        ("sessionId", "table-7"),
        ("waiterId", "ben"),
        ("previousWaiterId", "anna"),
        ("tableNumber", 7),
        ("message", "Your waiter has been updated (shift change) - Table 7"),
        ("code", "transfer.shift_change"),
        ("params", {"tableNumber": 7}),
        ("requiresRefresh", True),
        ("timestamp", "2024-01-15T10:30:00.000Z"),
        ("version", 2),
    ]


def test_cache_refresh_has_its_keys_in_the_fixed_order() -> None:
    refresh = CacheRefresh(
        affected_data=(AffectedData.REQUESTS, AffectedData.ANALYTICS),
        affected_ids=("req-789",),
        message="Cache refresh required: Request req-789 status changed to completed",
        code="refresh",
        params=RefreshParams(affected_data=(AffectedData.REQUESTS, AffectedData.ANALYTICS)),
        timestamp=HALF_PAST_TEN,
    )
    assert list(refresh.to_wire().items()) == [
        ("affectedData", ["requests", "analytics"]),
        ("affectedIds", ["req-789"]),
        ("message", "Cache refresh required: Request req-789 status changed to completed"),
        ("code", "refresh"),
        ("params", {"affectedData": ["requests", "analytics"]}),
        ("requiresRefresh", True),
        ("timestamp", "2024-01-15T10:30:00.000Z"),
    ]


def test_closing_contains_code_reason_and_whether_to_reconnect() -> None:
    closing = Closing(code="draining", reason="the server is restarting", reconnect=True)
    assert block(closing) == (
        b"event: closing\n"
        b'data: {"code":"draining","reason":"the server is restarting","reconnect":true}\n\n'
    )


def test_unknown_version_is_null() -> None:
    assert order_update(version=None).to_wire()["version"] is None


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085", "é", "🍕", "\0", "\r", "\n"])
def test_non_ascii_characters_and_line_ends_are_escaped(character: str) -> None:
    lines = body(order_update(message=f"a{character}b"))

    assert lines.isascii()
    assert lines.count(b"\n") == 2, "one event line, one data line"
    assert b"\r" not in lines
    assert b"\0" not in lines
    data = lines.partition(b"data: ")[2]
    assert json.loads(data)["message"] == f"a{character}b"


@given(st.text())
def test_any_text_survives_as_one_line_of_json(text: str) -> None:
    first, second, rest = body(order_update(message=text)).split(b"\n")
    assert (first, rest) == (b"event: order_update", b"")
    assert json.loads(second.removeprefix(b"data: "))["message"] == text


def test_event_type_that_could_forge_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="event type"):
        body(Forged())


@pytest.mark.parametrize("breaker", ["\r", "\n", "\0", "\r\n"])
def test_id_that_could_forge_fields_is_refused(breaker: str) -> None:
    with pytest.raises(ValueError, match="event id"):
        block(Heartbeat(timestamp=HALF_PAST_TEN), event_id=EventId(f"a{breaker}b", 1))


def test_id_comes_last_and_retry_first_in_the_block() -> None:
    lines = block(
        Heartbeat(timestamp=HALF_PAST_TEN), event_id=EventId("k3", 7), retry_ms=2000
    ).split(b"\n")
    assert [line.partition(b":")[0] for line in lines] == [
        b"retry",
        b"event",
        b"data",
        b"id",
        b"",
        b"",
    ]


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (HALF_PAST_TEN, "2024-01-15T10:30:00.000Z"),
        (HALF_PAST_TEN.replace(microsecond=999_999), "2024-01-15T10:30:00.999Z"),
        (
            datetime(2024, 1, 15, 12, 30, tzinfo=timezone(timedelta(hours=2))),
            "2024-01-15T10:30:00.000Z",
        ),
    ],
)
def test_timestamp_is_utc_with_milliseconds(moment: datetime, written: str) -> None:
    assert format_timestamp(moment) == written


def test_moment_without_time_zone_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="time zone"):
        order_update(timestamp=datetime(2024, 1, 15))  # noqa: DTZ001 - a bad moment on purpose


@pytest.mark.parametrize(
    "bad_id", ["", "a b", "a\n", "a\0b", "-a", ".a", "a/b", "é", "x" * 65, "a\u2028b"]
)
def test_text_that_is_not_an_id_is_refused(bad_id: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="order_id"):
        order_update(order_id=bad_id)


def test_chunk_is_the_block_in_http_chunked_encoding() -> None:
    event = StoredEvent("k3", 7, body(order_update()))
    size = len(event.block)
    assert event.chunk == b"%x\r\n%b\r\n" % (size, event.block)


@given(st.binary(min_size=1))
def test_frame_gives_its_block_back_unchanged(content: bytes) -> None:
    assert Frame(content).block == content


def test_stored_event_knows_the_id_it_carries() -> None:
    event = StoredEvent("k3", 7, body(order_update()))
    assert event.event_id == EventId("k3", 7)
    assert event.block.endswith(b"\nid: k3-7\n\n")
    assert "Complete" not in repr(event), "a log must not show what guests order"


# -- ids that clients send ------------------------------------------------------


@given(st.text("0123456789abcdefXYZ", min_size=1, max_size=32), st.integers(0, 10**18 - 1))
def test_id_is_unchanged_after_formatting_and_parsing(epoch: str, offset: int) -> None:
    assert EventId.parse(str(EventId(epoch, offset))) == EventId(epoch, offset)


@pytest.mark.parametrize(
    "nonsense",
    [
        "",
        "   ",
        "-",
        "-5",
        "5",
        "abc",
        "abc-",
        "abc-x",
        "abc--1",
        "abc-+1",
        "abc-1.0",
        "abc-1e3",
        "abc-0x1",
        "abc-٣",
        "abc-²",
        "äbc-1",
        "a b-1",
        "a/b-1",
        "a\nb-1",
        "a-b-1",
        "null",
        "undefined",
        "'; drop table outbox; --",
        "abc-" + "9" * 19,
        "x" * 33 + "-1",
        "x" * 100_000,
    ],
)
def test_nonsense_parses_to_no_id_without_an_error(nonsense: str) -> None:
    assert EventId.parse(nonsense) is None


@given(st.text())
def test_parsing_accepts_any_text_without_an_error(text: str) -> None:
    parsed = EventId.parse(text)
    if parsed is not None:
        assert parsed.epoch.isascii()
        assert parsed.epoch.isalnum()
        assert 0 <= parsed.offset < 10**18
