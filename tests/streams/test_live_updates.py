"""A changed order appears at once on the screens of the guest and the waiter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.command_line import flask
from tests.support.shared_server import SharedServer
from tests.support.sse_parser import SseEvent
from tests.support.tables import Table


def assert_happened_since(began: datetime, event: SseEvent) -> None:
    moment = datetime.fromisoformat(event.data["timestamp"])
    assert event.data["timestamp"].endswith("Z")
    # Timestamps have milliseconds, rounded or cut off.
    assert began - timedelta(milliseconds=1) <= moment <= datetime.now(UTC)


def test_stream_begins_with_the_published_greeting(house: SharedServer, table: Table) -> None:
    guest, waiter = table.listen_guest(), table.listen_waiter()
    for client, key, subject in (
        (guest, "sessionId", table.session_id),
        (waiter, "waiterId", table.waiter_id),
    ):
        greeting = client.events[0]
        data = greeting.data
        assert greeting.text == (
            f'{{"connectionId":"{data["connectionId"]}","{key}":"{subject}",'
            f'"heartbeatSeconds":1,"resumed":false,"expiresAt":"{data["expiresAt"]}"}}'
        )
        assert client.retry_ms is not None
        assert 2000 <= client.retry_ms <= 5000
        assert client.headers["x-accel-buffering"] == "no"
        assert client.headers["cache-control"] == "no-store, no-transform"


def test_change_by_another_process_is_on_both_screens(table: Table) -> None:
    guest, waiter = table.listen_guest(), table.listen_waiter()
    began = datetime.now(UTC)
    table.service.update_order_status(table.order_id, "InProgress")

    for client in (guest, waiter):
        update = client.next("order_update")
        assert update.text == (
            f'{{"sessionId":"{table.session_id}","waiterId":"{table.waiter_id}",'
            f'"orderId":"{table.order_id}","tableNumber":{table.number},'
            '"status":"InProgress","previousStatus":"New",'
            '"message":"Your order is being prepared in the kitchen (3 items) - '
            f'Table {table.number}","code":"order.in_progress",'
            f'"params":{{"tableNumber":{table.number},"itemCount":3}},"requiresRefresh":true,'
            f'"timestamp":"{update.data["timestamp"]}","version":2}}'
        )
        assert update.id
        assert_happened_since(began, update)

        refresh = client.next("cache_refresh")
        assert refresh.text == (
            '{"affectedData":["orders","analytics"],'
            f'"affectedIds":["{table.order_id}"],'
            f'"message":"Cache refresh required: Order {table.order_id} '
            'status changed to in progress","code":"refresh",'
            '"params":{"affectedData":["orders","analytics"]},"requiresRefresh":true,'
            f'"timestamp":"{refresh.data["timestamp"]}"}}'
        )
        assert_happened_since(began, refresh)
    for client in (guest, waiter):
        client.expect_nothing(1.5)


def test_change_on_the_command_line_is_on_both_screens(table: Table) -> None:
    guest, waiter = table.listen_guest(), table.listen_waiter()
    ran = flask(table.house, "waiter", "request-status", table.request_id, "acknowledged")
    assert ran.returncode == 0, ran.stderr

    for client in (guest, waiter):
        update = client.next("request_update")
        assert update.text == (
            f'{{"sessionId":"{table.session_id}","waiterId":"{table.waiter_id}",'
            f'"requestId":"{table.request_id}","tableNumber":{table.number},'
            '"status":"Acknowledged","previousStatus":"New",'
            '"message":"Your request has been acknowledged by your waiter - '
            f'Table {table.number}","code":"request.acknowledged",'
            f'"params":{{"tableNumber":{table.number}}},"requiresRefresh":true,'
            f'"timestamp":"{update.data["timestamp"]}","version":2}}'
        )
        assert client.next("cache_refresh").data["affectedData"] == ["requests", "analytics"]


def test_new_request_is_an_update_without_a_previous_status(table: Table) -> None:
    guest = table.listen_guest()
    request = table.service.create_request(table.session_id, "bill").request
    update = guest.next("request_update").data
    assert (update["requestId"], update["status"]) == (request.id, "New")
    assert update["previousStatus"] is None
    assert update["version"] == 1


def test_change_does_not_reach_other_tables_and_waiters(house: SharedServer, table: Table) -> None:
    guest = table.listen_guest()
    neighbours = [
        house.listen_session("table-5"),
        house.listen_waiter("anna"),
        table.listen_colleague(),
    ]
    table.move_order("InProgress")
    guest.next("cache_refresh")
    for neighbour in neighbours:
        neighbour.expect_nothing(0.3)


def test_every_event_except_heartbeats_has_an_id_that_rises_by_one(table: Table) -> None:
    guest = table.listen_guest()
    table.move_order("InProgress", "Complete", "Delivered")
    guest.next("cache_refresh")
    guest.next("heartbeat")
    numbered = [event for event in guest.events if event.type != "heartbeat"]
    epochs, offsets = zip(*((event.id or "").rsplit("-", 1) for event in numbered), strict=True)
    assert len(set(epochs)) == 1
    first = int(offsets[0])
    assert [int(offset) for offset in offsets] == list(range(first, first + len(offsets)))
    assert all(event.id is None for event in guest.of_type("heartbeat"))


def test_quiet_stream_gets_a_named_heartbeat(table: Table) -> None:
    began = datetime.now(UTC)
    guest = table.listen_guest()
    beat = guest.next("heartbeat")
    assert beat.text == f'{{"timestamp":"{beat.data["timestamp"]}"}}'
    assert_happened_since(began, beat)


def test_typed_text_arrives_unchanged_and_in_ascii(table: Table) -> None:
    guest, waiter = table.listen_guest(), table.listen_waiter()
    note = "no garlic\u2028please\nevent: forged\ndata: {}\n\n🍕"
    table.service.place_order(
        table.session_id,
        [{"name": "Tea", "quantity": 1}],
        note=note,
        order_id=f"tea-{table.number}",
    )
    table.service.update_order_status(f"tea-{table.number}", "Rejected", reason=note)
    for client in (guest, waiter):
        assert [client.next("order_update").data["status"] for _ in range(2)] == ["New", "Rejected"]
        assert all(event.text.isascii() for event in client.events)
        assert {event.type for event in client.events} <= {
            "connection",
            "order_update",
            "cache_refresh",
            "heartbeat",
        }


def test_two_streams_of_one_bearer_get_the_same_events(table: Table) -> None:
    phone, tablet = table.listen_waiter(), table.listen_waiter()
    table.move_order("InProgress")
    for client in (phone, tablet):
        client.next("cache_refresh")
    assert [(event.type, event.id, event.text) for event in phone.events[1:3]] == [
        (event.type, event.id, event.text) for event in tablet.events[1:3]
    ]


def test_manager_may_follow_a_session(house: SharedServer, table: Table) -> None:
    manager = house.listen_session(table.session_id, token=house.token("manager", "maria"))
    table.move_order("InProgress")
    assert manager.next("order_update").data["orderId"] == table.order_id
