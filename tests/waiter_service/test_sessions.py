import pytest

from waiter_service import Actor, SessionClosed, SessionOpened
from waiter_service.errors import (
    IdTaken,
    Missing,
    NotFound,
    NotPermitted,
    SessionClosedError,
    TableOccupied,
    UnknownSession,
    UnknownWaiter,
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


def test_whose_table_it_is_is_not_told_to_a_colleague(service):
    with pytest.raises(TableOccupied) as caught:
        service.open_session(5, "ben", actor=BEN)
    assert caught.value.session_id is None
    assert "table-5" not in str(caught.value)


def test_a_session_id_must_be_free_even_of_closed_sessions(service):
    service.close_session("table-5")
    with pytest.raises(IdTaken):
        service.open_session(6, "anna", session_id="table-5")


def test_a_table_needs_a_known_waiter(service):
    with pytest.raises(UnknownWaiter):
        service.open_session(3, "nobody")


def test_closing_twice_is_one_change(service, listener):
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
def test_a_stranger_can_do_nothing_and_learns_nothing(service, queries, listener, stranger):
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


def test_what_is_forbidden_looks_from_outside_like_what_is_unknown(service):
    def message(request_id):
        with pytest.raises(Missing) as caught:
            service.update_request_status(request_id, "Cancelled", actor=Actor.guest("table-5"))
        return caught.value.public_message.replace(request_id, "ID")

    assert message("req-1") == message("no-such")


@pytest.mark.parametrize("actor", [ANNA, MIA, Actor.guest("table-7")])
def test_whoever_is_concerned_may_act(service, actor):
    assert service.create_request("table-7", "bill", actor=actor).created
    assert service.update_order_status("ord-1", "Cancelled", actor=actor).changed


def test_a_guest_neither_opens_nor_closes_nor_transfers(service):
    guest = Actor.guest("table-7")
    for attempt in (
        lambda: service.open_session(3, "anna", actor=guest),
        lambda: service.close_session("table-7", actor=guest),
        lambda: service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"], actor=guest),
        lambda: service.add_waiter("carl", "Carl", actor=guest),
    ):
        with pytest.raises(NotPermitted):
            attempt()


def test_a_waiter_opens_tables_for_themself_alone(service):
    with pytest.raises(NotPermitted):
        service.open_session(3, "ben", actor=ANNA)
    with pytest.raises(NotPermitted):
        service.add_waiter("carl", "Carl", actor=ANNA)
    assert service.open_session(3, "anna", actor=ANNA).waiter_id == "anna"


def test_an_actors_kind_given_as_text_gives_no_more_rights(service):
    with pytest.raises(NotPermitted):
        service.update_request_status("req-1", "Cancelled", actor=Actor("guest", "table-5"))


def test_after_a_transfer_the_previous_waiter_is_a_stranger(service):
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
    service.close_session("table-7")
    with pytest.raises(SessionClosedError) as caught:
        service.create_request("table-7", "bill")
    assert caught.value.session_id == "table-7"
