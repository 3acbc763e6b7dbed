import pytest

from waiter_service import Actor, ActorKind, RequestStatus
from waiter_service.errors import NotPermitted, UnknownSession, UnknownWaiter

ANNA = Actor.waiter("anna")


def test_a_snapshot_shows_all_requests_and_orders_and_the_allowed_moves(service, queries, clock):
    clock.advance(90)
    service.create_request("table-7", "bill", request_id="req-2", note="by card")
    snapshot = queries.session_snapshot("table-7", actor=Actor.guest("table-7"))
    assert (snapshot.session.table_number, snapshot.session.waiter_id) == (7, "anna")
    water, bill = snapshot.requests
    assert (water.kind, bill.kind, bill.note) == ("water", "bill", "by card")
    assert (water.age_seconds(snapshot.taken_at), bill.age_seconds(snapshot.taken_at)) == (90, 0)
    assert water.allowed_moves(ActorKind.GUEST) == (RequestStatus.CANCELLED,)
    assert RequestStatus.ACKNOWLEDGED in water.allowed_moves(ActorKind.WAITER)
    (order,) = snapshot.orders
    assert [(item.name, item.quantity) for item in order.items] == [("Pizza", 3)]
    assert (order.item_count, order.version) == (3, 1)


def test_a_closed_session_still_has_a_snapshot(service, queries, clock):
    service.close_session("table-7", force=True, reason="gone")
    snapshot = queries.session_snapshot("table-7")
    assert snapshot.session.closed_at == clock.now
    assert len(snapshot.requests) == 1


def test_a_floor_shows_open_tables_with_what_is_open(service, queries):
    service.create_request("table-7", "bill", request_id="req-2")
    service.update_request_status("req-2", "Cancelled")
    service.create_request("table-7", "menu", request_id="req-3")
    service.update_request_status("req-3", "Completed")
    service.open_session(1, "anna", session_id="gone")
    service.close_session("gone")
    floor = queries.waiter_floor("anna", actor=ANNA)
    assert (floor.waiter_id, floor.waiter_name) == ("anna", "Anna")
    assert [each.session.id for each in floor.sessions] == ["table-5", "table-7"]
    assert [request.id for request in floor.sessions[1].requests] == ["req-1", "req-3"]
    assert [order.id for order in floor.sessions[1].orders] == ["ord-1"]


def test_a_floor_is_for_its_waiter_and_for_managers(service, queries):
    for stranger in (Actor.waiter("ben"), Actor.guest("table-7"), Actor.guest("anna")):
        with pytest.raises(NotPermitted):
            queries.waiter_floor("anna", actor=stranger)
        with pytest.raises(NotPermitted):
            queries.waiter_analytics("anna", actor=stranger)
    assert queries.waiter_floor("anna", actor=Actor.manager("mia")).sessions


def test_an_unknown_id_is_an_error(service, queries):
    with pytest.raises(UnknownWaiter):
        queries.waiter_floor("nobody")
    with pytest.raises(UnknownWaiter):
        queries.waiter_analytics("\0")
    with pytest.raises(UnknownSession):
        queries.session_analytics("nowhere")


def test_figures_count_and_average(service, queries, clock):
    service.create_request("table-7", "bill", request_id="req-2")
    clock.advance(10)
    service.update_request_status("req-1", "Acknowledged")
    clock.advance(20.5)
    service.update_request_status("req-1", "Completed")
    service.update_request_status("req-2", "Acknowledged")
    figures = queries.session_analytics("table-7")
    assert figures.requests.total == 2
    assert figures.requests.by_status["Completed"] == 1
    assert figures.requests.by_status["Acknowledged"] == 1
    assert figures.requests.by_status["OnHold"] == 0
    assert figures.requests.average_seconds_to_acknowledge == 20.25
    assert figures.requests.average_seconds_to_complete == 30.5
    assert figures.orders.average_seconds_to_complete is None
    assert (figures.items_ordered, figures.open_sessions, figures.closed_sessions) == (3, 1, 0)


def test_a_waiters_figures_include_all_their_sessions(service, queries):
    service.place_order("table-5", [{"name": "Tea", "quantity": 2}])
    service.close_session("table-5", force=True, reason="gone")
    figures = queries.waiter_analytics("anna", actor=ANNA)
    assert (figures.open_sessions, figures.closed_sessions) == (1, 1)
    assert (figures.items_ordered, figures.orders.total) == (5, 2)


def test_figures_of_an_empty_floor_are_zero(service, queries):
    service.add_waiter("carl", "Carl")
    figures = queries.waiter_analytics("carl")
    assert (figures.requests.total, figures.items_ordered, figures.open_sessions) == (0, 0, 0)
    assert figures.requests.average_seconds_to_acknowledge is None
