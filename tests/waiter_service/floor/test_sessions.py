from typing import cast

import pytest

from waiter_service import (
    Actor,
    ActorKind,
    HouseRules,
    SessionClosed,
    SessionOpened,
    SessionReopened,
    WaiterService,
)
from waiter_service.errors import (
    IdTaken,
    Missing,
    NotFound,
    NotPermitted,
    OrdersUnfinished,
    SessionClosedError,
    TableOccupied,
    TooManySessions,
    TooMuchUnfinished,
    UnknownSession,
    UnknownWaiter,
    ValidationError,
)

ANNA, BEN, MIA = Actor.waiter("anna"), Actor.waiter("ben"), Actor.manager("mia")


def test_opening_a_table_is_announced(service, listener):
    session = service.open_session(3, "ben", actor=BEN)
    (change,) = listener.heard
    assert isinstance(change, SessionOpened)
    assert (change.session_id, change.waiter_id, change.table_number) == (session.id, "ben", 3)
    assert session.is_open


def test_a_table_holds_one_open_session(service, listener):
    with pytest.raises(TableOccupied) as caught:
        service.open_session(5, "ben")
    assert (caught.value.table_number, caught.value.session_id) == (5, "table-5")
    service.close_session("table-5")
    assert service.open_session(5, "ben").is_open


def test_a_colleague_is_not_told_whose_table_it_is(service):
    with pytest.raises(TableOccupied) as caught:
        service.open_session(5, "ben", actor=BEN)
    assert caught.value.session_id is None
    assert "table-5" not in str(caught.value)


def test_the_id_of_a_closed_session_cannot_be_used_again(service):
    service.close_session("table-5")
    with pytest.raises(IdTaken):
        service.open_session(6, "anna", session_id="table-5")


def test_a_table_needs_a_known_waiter(service):
    with pytest.raises(UnknownWaiter):
        service.open_session(3, "nobody")


def test_closing_twice_makes_one_change(service, listener):
    assert service.close_session("table-5", reason="gone home").changed
    again = service.close_session("table-5")
    assert (again.changed, again.session.version) == (False, 2)
    (change,) = listener.heard
    assert isinstance(change, SessionClosed)
    assert (change.version, change.reason) == (2, "gone home")


def test_a_waiter_added_twice_is_one_waiter_with_the_newer_name(service, queries):
    service.add_waiter("anna", "Anna Maria")
    assert queries.waiter_floor("anna").waiter_name == "Anna Maria"


@pytest.mark.parametrize("stranger", [Actor.guest("table-5"), BEN])
def test_an_actor_without_access_can_do_nothing_and_learns_nothing(
    service, queries, listener, stranger
):
    attempts = [
        lambda: service.update_request_status("req-1", "Cancelled", actor=stranger),
        lambda: service.update_order_status("ord-1", "Cancelled", actor=stranger),
        lambda: service.create_request("table-7", "bill", actor=stranger),
        lambda: service.place_order("table-7", [{"name": "Tea", "quantity": 1}], actor=stranger),
        lambda: service.close_session("table-7", actor=stranger),
        lambda: queries.session_snapshot("table-7", actor=stranger),
        lambda: queries.session_analytics("table-7", actor=stranger),
    ]
    for attempt in attempts:
        with pytest.raises(NotPermitted):
            attempt()
    assert (listener.heard, service.pending_count()) == ([], 0)


def test_forbidden_and_unknown_look_the_same_from_outside(service):
    def message(request_id):
        with pytest.raises(Missing) as caught:
            service.update_request_status(request_id, "Cancelled", actor=Actor.guest("table-5"))
        return caught.value.public_message.replace(request_id, "ID")

    assert message("req-1") == message("no-such")


@pytest.mark.parametrize("actor", [ANNA, MIA, Actor.guest("table-7")])
def test_guest_waiter_and_manager_of_a_session_may_act(service, actor):
    assert service.create_request("table-7", "bill", actor=actor).created
    assert service.update_order_status("ord-1", "Cancelled", actor=actor).changed


def test_a_guest_cannot_open_close_or_transfer(service):
    guest = Actor.guest("table-7")
    for attempt in (
        lambda: service.open_session(3, "anna", actor=guest),
        lambda: service.close_session("table-7", actor=guest),
        lambda: service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"], actor=guest),
        lambda: service.add_waiter("carl", "Carl", actor=guest),
    ):
        with pytest.raises(NotPermitted):
            attempt()


def test_a_waiter_cannot_open_a_table_for_another_waiter(service):
    with pytest.raises(NotPermitted):
        service.open_session(3, "ben", actor=ANNA)
    with pytest.raises(NotPermitted):
        service.add_waiter("carl", "Carl", actor=ANNA)
    assert service.open_session(3, "anna", actor=ANNA).waiter_id == "anna"


def test_an_actors_kind_given_as_text_gives_no_more_rights(service):
    with pytest.raises(NotPermitted):
        service.update_request_status(
            "req-1", "Cancelled", actor=Actor(cast("ActorKind", "guest"), "table-5")
        )


def test_after_a_transfer_the_previous_waiter_has_no_access(service):
    service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])
    with pytest.raises(NotPermitted):
        service.update_request_status("req-1", "Acknowledged", actor=ANNA)
    assert service.update_request_status("req-1", "Acknowledged", actor=BEN).changed


def test_an_unknown_session_is_not_found(service):
    with pytest.raises(UnknownSession) as caught:
        service.create_request("table-77", "water")
    assert isinstance(caught.value, NotFound)
    assert caught.value.thing_id == "table-77"


def test_a_closed_session_is_named(service):
    service.close_session("table-7", force=True, reason="gone")
    with pytest.raises(SessionClosedError) as caught:
        service.create_request("table-7", "bill")
    assert caught.value.session_id == "table-7"


def test_a_table_with_unfinished_orders_is_only_closed_by_force(service, queries, listener):
    with pytest.raises(OrdersUnfinished) as caught:
        service.close_session("table-7", actor=ANNA)
    assert caught.value.order_ids == ("ord-1",)
    assert "ord-1" in str(caught.value)
    with pytest.raises(ValidationError) as unsaid:
        service.close_session("table-7", actor=ANNA, force=True)
    assert unsaid.value.field == "reason"
    assert (listener.heard, queries.session_snapshot("table-7").session.version) == ([], 1)
    closed = service.close_session("table-7", actor=ANNA, force=True, reason="they ran")
    assert (closed.changed, listener.heard[-1].reason) == (True, "they ran")


@pytest.mark.parametrize(("require_paid", "last"), [(False, "Delivered"), (True, "Paid")])
def test_the_house_rules_decide_when_an_order_is_finished(service, clock, require_paid, last):
    rules = HouseRules(require_paid=require_paid)
    house = WaiterService(service.database, clock=clock, rules=rules)
    for status in ("InProgress", "Complete", "Delivered", "Paid"):
        with pytest.raises(OrdersUnfinished):
            house.close_session("table-7")
        house.update_order_status("ord-1", status)
        if status == last:
            break
    assert house.close_session("table-7").changed


def test_unfinished_orders_of_a_closed_table_stay_on_the_floor(service, queries):
    service.close_session("table-7", force=True, reason="they ran")
    floor = queries.waiter_floor("anna", actor=ANNA)
    left = floor.sessions[1]
    assert (left.session.id, left.session.is_open) == ("table-7", False)
    assert [order.id for order in left.orders] == ["ord-1"]

    def tables():
        return [each.session.id for each in queries.waiter_floor("anna").sessions]

    for status in ("InProgress", "Complete", "Delivered"):
        assert tables() == ["table-5", "table-7"]
        service.update_order_status("ord-1", status, actor=ANNA)
    assert tables() == ["table-5"]
    # A move by mistake, undone, brings the table back.
    service.update_order_status("ord-1", "Complete", actor=ANNA)
    assert tables() == ["table-5", "table-7"]


def test_a_session_closed_by_mistake_can_be_reopened(service, listener, queries):
    service.close_session("table-5", actor=ANNA)
    reopened = service.reopen_session("table-5", actor=ANNA, reason="wrong table")
    assert (reopened.changed, reopened.session.is_open, reopened.version) == (True, True, 3)
    change = listener.heard[-1]
    assert isinstance(change, SessionReopened)
    assert (change.version, change.reason, change.waiter_id) == (3, "wrong table", "anna")
    assert service.create_request("table-5", "water", actor=Actor.guest("table-5")).created
    assert queries.waiter_floor("anna").sessions[0].session.id == "table-5"
    assert not service.reopen_session("table-5").changed


def test_a_session_is_not_reopened_once_its_table_is_occupied_again(service):
    service.close_session("table-5")
    service.open_session(5, "ben", session_id="next")
    with pytest.raises(TableOccupied):
        service.reopen_session("table-5", actor=ANNA)


@pytest.mark.parametrize("stranger", [BEN, Actor.guest("table-5"), Actor.guest("table-9")])
def test_only_the_waiter_or_a_manager_reopens_a_session(service, stranger):
    service.close_session("table-5")
    with pytest.raises(NotPermitted):
        service.reopen_session("table-5", actor=stranger)
    assert service.reopen_session("table-5", actor=MIA).changed


def test_guests_can_have_a_limited_number_of_unfinished_things(service, clock, listener):
    rules = HouseRules(max_open_requests=3, max_orders=2, max_order_lines=5)
    house = WaiterService(service.database, clock=clock, rules=rules)
    guest = Actor.guest("table-5")
    for kind in ("water", "bill", "menu"):
        assert house.create_request("table-5", kind, actor=guest).created
    listener.heard.clear()
    with pytest.raises(TooMuchUnfinished) as caught:
        house.create_request("table-5", "salt", actor=guest)
    assert (caught.value.what, caught.value.most) == ("requests", 3)
    again = house.create_request("table-5", "water", actor=guest)
    assert not again.created  # a request that is already open can be made again
    house.update_request_status(again.id, "Completed")
    assert house.create_request("table-5", "salt", actor=guest).created

    tea = [{"name": "Tea", "quantity": 9}]
    first = house.place_order("table-5", tea * 3, actor=guest)
    with pytest.raises(TooMuchUnfinished) as caught:
        house.place_order("table-5", tea * 3, actor=guest)
    assert (caught.value.what, caught.value.most) == ("order lines", 5)
    house.place_order("table-5", tea * 2, actor=guest, order_id="second")
    with pytest.raises(TooMuchUnfinished) as caught:
        house.place_order("table-5", tea, actor=guest)
    assert (caught.value.what, caught.value.most) == ("orders", 2)
    with pytest.raises(IdTaken):
        house.place_order("table-5", tea, actor=guest, order_id="second")
    house.update_order_status(first.id, "Cancelled", actor=guest)
    house.place_order("table-5", tea, actor=guest)


def test_a_waiter_can_have_a_limited_number_of_tables(service, clock, listener):
    house = WaiterService(service.database, clock=clock, rules=HouseRules(max_open_sessions=3))
    anna = Actor.waiter("anna")
    # anna already has table-5 and table-7.
    house.open_session(100, "anna", session_id="t-100", actor=anna)
    listener.heard.clear()
    with pytest.raises(TooManySessions) as caught:
        house.open_session(200, "anna", actor=anna)
    assert (caught.value.waiter_id, caught.value.most) == ("anna", 3)
    assert not listener.heard
    # A manager may exceed the limit.
    house.open_session(201, "anna", actor=MIA)
    house.close_session("t-100", actor=anna)
    house.close_session("table-5", actor=anna)
    house.open_session(200, "anna", actor=anna)
    with pytest.raises(TooManySessions):
        house.reopen_session("t-100", actor=anna)
    assert house.reopen_session("t-100", actor=MIA).changed


def test_the_house_rules_are_read_from_the_environment(database_url):
    rules = HouseRules.from_env({"MAX_ORDERS": "7", "REQUIRE_PAID": "yes", "MAX_ORDER_LINES": ""})
    assert rules == HouseRules(max_orders=7, require_paid=True)
    for variable, value in (("MAX_ORDERS", "0"), ("MAX_ORDERS", "x"), ("REQUIRE_PAID", "2")):
        with pytest.raises(ValidationError) as caught:
            WaiterService.from_env({"DATABASE_URL": database_url, variable: value})
        assert caught.value.field == variable
