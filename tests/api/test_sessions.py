"""Sessions from opening to closing, with requests and orders."""

from datetime import datetime

import gevent
import pytest
from sqlalchemy import event

ORDER = {"items": [{"name": "Pizza", "quantity": 2}, {"name": "Tea", "quantity": 1}]}


def test_a_waiter_opens_a_table_and_guests_join_it_by_its_code(anna, anonymous, app):
    answer = anna.post("/api/sessions", {"tableNumber": 3})

    assert answer.status_code == 201
    session = answer.json["session"]
    assert session["tableNumber"] == 3
    assert session["waiterId"] == "anna"
    assert session["version"] == 1
    assert session["closedAt"] is None
    assert answer.headers["Location"] == f"/api/sessions/{session['id']}"
    assert answer.json["joinCodeExpiresAt"].endswith("Z")
    assert "token" not in answer.json

    joined = anonymous.post("/api/join", {"code": answer.json["joinCode"]})
    assert (joined.status_code, joined.json["session"]) == (200, session)
    guest = type(anna)(app, joined.json["token"])
    assert guest.get(answer.headers["Location"]).json["tableNumber"] == 3
    assert guest.get("/api/sessions/table-7").status_code == 404


def test_a_manager_must_name_the_waiter_of_a_new_table(manager):
    assert manager.post("/api/sessions", {"tableNumber": 3}).json["errors"] == [
        {"field": "waiterId", "message": "must say who serves the table"}
    ]
    answer = manager.post("/api/sessions", {"tableNumber": 3, "waiterId": "ben"})
    assert answer.json["session"]["waiterId"] == "ben"


def test_only_callers_with_access_are_told_the_session_of_an_occupied_table(anna, ben):
    refused = anna.post("/api/sessions", {"tableNumber": 7})
    assert refused.status_code == 409
    assert (refused.json["tableNumber"], refused.json["sessionId"]) == (7, "table-7")

    refused = ben.post("/api/sessions", {"tableNumber": 7})
    assert (refused.json["tableNumber"], refused.json["sessionId"]) == (7, None)
    assert "table-7" not in refused.json["detail"]


def test_a_session_shows_all_requests_and_orders(guest):
    answer = guest.get("/api/sessions/table-7")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    session = answer.json
    assert session["id"] == "table-7"
    assert session["tableNumber"] == 7
    [request] = session["requests"]
    assert request["id"] == "req-1"
    assert request["sessionId"] == "table-7"
    assert request["kind"] == "napkins"
    assert request["status"] == "New"
    assert request["allowed"] == ["Cancelled"]
    assert request["version"] == 1
    [order] = session["orders"]
    assert order["items"] == [
        {"name": "Margherita", "quantity": 2},
        {"name": "Lemonade", "quantity": 1},
    ]
    assert order["itemCount"] == 3
    assert datetime.fromisoformat(session["takenAt"]) >= datetime.fromisoformat(order["createdAt"])


@pytest.mark.parametrize(
    ("who", "moves"),
    [
        ("guest", ["Cancelled"]),
        ("anna", ["Acknowledged", "InProgress", "Rejected", "Cancelled"]),
        ("manager", ["Acknowledged", "InProgress", "Rejected", "Cancelled"]),
    ],
)
def test_each_caller_sees_the_moves_they_may_make(request, who, moves):
    caller = request.getfixturevalue(who)
    assert caller.get("/api/sessions/table-7").json["orders"][0]["allowed"] == moves


def test_guests_have_no_moves_left_once_the_session_is_closed(guest, anna):
    anna.post("/api/sessions/table-7/close", {"force": True, "reason": "gone"})

    assert guest.get("/api/sessions/table-7").json["requests"][0]["allowed"] == []
    assert anna.get("/api/sessions/table-7").json["requests"][0]["allowed"] != []


def test_a_second_request_of_a_kind_gets_the_open_one(guest):
    first = guest.post("/api/sessions/table-7/requests", {"kind": "bill", "note": "by card"})
    second = guest.post("/api/sessions/table-7/requests", {"kind": " BILL "})

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json
    assert first.json["note"] == "by card"


def test_an_order_counts_its_items(guest):
    answer = guest.post("/api/sessions/table-7/orders", ORDER)

    assert answer.status_code == 201
    assert answer.json["itemCount"] == 3
    assert answer.json["items"] == ORDER["items"]
    assert answer.json["status"] == "New"


def test_a_closed_session_refuses_anything_new_with_its_code(guest, anna):
    closed = anna.post("/api/sessions/table-7/close", {"reason": "paid", "force": True})
    assert closed.status_code == 200
    assert closed.json["closedAt"] is not None
    assert closed.json["version"] == 2
    assert (
        anna.post("/api/sessions/table-7/close", {"force": True, "reason": "gone"}).json
        == closed.json
    )

    for path, body in (("requests", {"kind": "water"}), ("orders", ORDER)):
        refused = guest.post(f"/api/sessions/table-7/{path}", body)
        assert refused.status_code == 409
        assert refused.json["sessionId"] == "table-7"


def test_a_floor_shows_what_is_open_by_table(anna):
    anna.patch("/api/requests/req-1", {"status": "Cancelled"})
    floor = anna.get("/api/waiters/anna/floor").json

    assert (floor["waiterId"], floor["waiterName"]) == ("anna", "Anna")
    assert [session["tableNumber"] for session in floor["sessions"]] == [5, 7]
    table = floor["sessions"][1]
    assert table["requests"] == []
    assert [order["id"] for order in table["orders"]] == ["ord-1"]


def test_reading_a_full_floor_takes_no_more_statements_than_an_empty_one(app, anna, service):
    def statements():
        seen = []
        caller = gevent.getcurrent()

        def listener(*args):
            # Other greenlets read the outbox and the revocations at the same time.
            if gevent.getcurrent() is caller:
                seen.append(args[2])

        event.listen(service.database.engine, "before_cursor_execute", listener)
        anna.get("/api/waiters/anna/floor")
        event.remove(service.database.engine, "before_cursor_execute", listener)
        return len(seen)

    anna.get("/api/waiters/anna/floor")
    before = statements()
    for table in range(20, 40):
        service.open_session(table, "anna", session_id=f"t-{table}")
        service.place_order(f"t-{table}", [{"name": "Tea", "quantity": 1}])
        service.create_request(f"t-{table}", "water")

    assert statements() == before


def test_figures_follow_each_change(anna):
    anna.patch("/api/requests/req-1", {"status": "Acknowledged"})
    figures = anna.get("/api/waiters/anna/analytics").json

    assert figures["waiterId"] == "anna"
    assert figures["openSessions"] == 2
    assert figures["itemsOrdered"] == 3
    assert figures["requests"]["total"] == 1
    assert figures["requests"]["byStatus"]["Acknowledged"] == 1
    assert figures["requests"]["averageSecondsToAcknowledge"] >= 0
    assert figures["orders"]["averageSecondsToComplete"] is None


def test_a_table_with_unfinished_orders_is_closed_only_by_force(anna, guest):
    refused = anna.post("/api/sessions/table-7/close", {"reason": "gone"})
    assert (refused.status_code, refused.json["code"]) == (409, "orders_unfinished")
    assert (refused.json["sessionId"], refused.json["orderIds"]) == ("table-7", ["ord-1"])
    unsaid = anna.post("/api/sessions/table-7/close", {"force": True})
    assert (unsaid.status_code, unsaid.json["errors"][0]["field"]) == (422, "reason")

    closed = anna.post("/api/sessions/table-7/close", {"force": True, "reason": "they ran"})
    assert closed.status_code == 200
    floor = anna.get("/api/waiters/anna/floor").json["sessions"]
    assert [(each["id"], each["closedAt"] is None) for each in floor] == [
        ("table-5", True),
        ("table-7", False),
    ]
    # Guests may not close a session.
    assert guest.post("/api/sessions/table-7/reopen").status_code == 403


def test_a_closed_session_is_reopened_unless_its_table_is_occupied_again(anna, ben, manager):
    anna.post("/api/sessions/table-5/close")
    assert ben.post("/api/sessions/table-5/reopen").status_code == 404
    reopened = anna.post("/api/sessions/table-5/reopen", {"reason": "wrong table"})
    assert (reopened.status_code, reopened.json["closedAt"]) == (200, None)
    assert reopened.json["version"] == 3

    anna.post("/api/sessions/table-5/close")
    manager.post("/api/sessions", {"tableNumber": 5, "waiterId": "ben"})
    refused = anna.post("/api/sessions/table-5/reopen")
    assert (refused.status_code, refused.json["tableNumber"]) == (409, 5)


def test_a_waiter_can_open_a_limited_number_of_tables(anna, service):
    has = len(anna.get("/api/waiters/anna/floor").json["sessions"])
    for table in range(100, 200 - has):
        service.open_session(table, "anna")
    refused = anna.post("/api/sessions", {"tableNumber": 200})
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_sessions")
    assert (refused.json["waiterId"], refused.json["most"]) == ("anna", 100)


def test_a_table_can_have_a_limited_number_of_unfinished_things(guest):
    for number in range(19):
        wish = {"kind": f"wish {number}"}
        assert guest.post("/api/sessions/table-7/requests", wish).status_code == 201
    refused = guest.post("/api/sessions/table-7/requests", {"kind": "one more"})
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_requests")
    assert (refused.json["most"], refused.json["sessionId"]) == (20, "table-7")

    large = {"items": [{"name": "Tea", "quantity": 1}] * 100}
    for status in (201, 201, 201, 201, 409):
        refused = guest.post("/api/sessions/table-7/orders", large)
        assert refused.status_code == status
    assert (refused.json["code"], refused.json["most"]) == ("too_many_order_lines", 500)


def test_finished_items_are_read_in_pages(guest):
    for _ in range(5):
        order = guest.post("/api/sessions/table-7/orders", ORDER).json["id"]
        guest.patch(f"/api/orders/{order}", {"status": "Cancelled"})
    first = guest.get("/api/sessions/table-7?limit=2").json
    assert {"ord-1"} < {each["id"] for each in first["orders"]}
    assert len(first["orders"]) == 3
    second = guest.get(f"/api/sessions/table-7?limit=2&cursor={first['next']}").json
    assert (second["requests"], len(second["orders"])) == ([], 2)
    last = guest.get(f"/api/sessions/table-7?cursor={second['next']}").json
    assert (len(last["orders"]), last["next"]) == (1, None)
    assert guest.get("/api/sessions/table-7").json["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=501", "limit=-1", "cursor=x"])
def test_an_invalid_page_is_refused(anna, query):
    for path in ("/api/sessions/table-7", "/api/waiters/anna/floor"):
        answer = anna.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert answer.json["errors"][0]["field"] == query.partition("=")[0]


def test_no_answer_is_larger_than_a_megabyte(app, anna, service):
    items = [{"name": "\U0001f355" * 200, "quantity": 1}] * 100
    for table in (5, 7):
        for number in range(12):
            order = service.place_order(f"table-{table}", items, note="\U0001f355" * 500)
            if number > 4:
                service.update_order_status(order.id, "Cancelled")
    for path in ("/api/sessions/table-5?limit=500", "/api/waiters/anna/floor"):
        seen = set()
        cursor: str | None = ""
        while cursor is not None:
            joint = "&" if "?" in path else "?"
            answer = anna.get(f"{path}{joint}cursor={cursor}" if cursor else path)
            assert len(answer.data) <= 1_000_000
            tables = answer.json.get("sessions", [answer.json])
            seen |= {order["id"] for table in tables for order in table["orders"]}
            cursor = answer.json["next"]
        assert len(seen) == (11 if "floor" in path else 12)
