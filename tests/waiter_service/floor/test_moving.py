import pytest

from waiter_service import Actor, SessionMoved
from waiter_service.errors import NotPermitted, SessionClosedError, TableOccupied, ValidationError

ANNA, BEN = Actor.waiter("anna"), Actor.waiter("ben")


def test_guests_move_with_all_that_is_theirs(service, listener, queries):
    before = queries.session_snapshot("table-7")
    moved = service.move_session("table-7", 12, reason="draughty", actor=ANNA)

    assert (moved.changed, moved.session.table_number, moved.version) == (True, 12, 2)
    (change,) = listener.heard
    assert isinstance(change, SessionMoved)
    assert (change.previous_table_number, change.table_number, change.version) == (7, 12, 2)
    assert (change.waiter_id, change.reason) == ("anna", "draughty")
    after = queries.session_snapshot("table-7")
    assert (after.requests, after.orders) == (before.requests, before.orders)
    service.open_session(7, "ben")
    service.update_request_status("req-1", "Acknowledged", actor=ANNA)
    assert listener.heard[-1].table_number == 12


def test_moving_to_the_same_table_changes_nothing(service, listener):
    assert not service.move_session("table-7", 7).changed
    assert listener.heard == []


def test_an_occupied_table_stays_as_it_is(service, queries):
    with pytest.raises(TableOccupied) as caught:
        service.move_session("table-7", 5, actor=ANNA)
    assert caught.value.session_id == "table-5"
    with pytest.raises(TableOccupied) as caught:
        service.move_session("table-7", 9, actor=ANNA)
    assert caught.value.session_id is None, "it is a colleague's"
    assert queries.session_snapshot("table-7").session.table_number == 7


def test_a_table_of_another_venue_with_the_same_number_does_not_matter(service):
    service.add_venue("east")
    service.add_waiter("eva", "Eva", venue_id="east")
    service.open_session(12, "eva")
    assert service.move_session("table-7", 12).changed


def test_only_the_waiter_in_charge_and_managers_move_guests(service):
    strangers = (BEN, Actor.guest("table-7"), Actor.kitchen("main"), Actor.manager("m", "east"))
    for actor in strangers:
        with pytest.raises(NotPermitted):
            service.move_session("table-7", 12, actor=actor)
    for wrong in (0, 10_000, "12"):
        with pytest.raises(ValidationError):
            service.move_session("table-7", wrong)
    service.close_session("table-5")
    with pytest.raises(SessionClosedError):
        service.move_session("table-5", 12)
