import pytest
from sqlalchemy import text

from waiter_service import ALL_VENUES, Actor, ShiftChange
from waiter_service.errors import (
    NotPermitted,
    TablesInHand,
    UnknownWaiter,
    ValidationError,
    WaiterOffShift,
)
from waiter_service.floor import transfers

ANNA, BEN = Actor.waiter("anna"), Actor.waiter("ben")
MANAGER = Actor.manager("mia")
EVERYWHERE = Actor.manager("max", ALL_VENUES)


@pytest.fixture
def elsewhere(service):
    service.add_venue("east", "East")
    service.add_waiter("eva", "Eva", venue_id="east")


def test_a_venue_that_never_started_a_shift_does_not_use_shifts(service):
    service.open_session(1, "anna")
    service.transfer_sessions(from_waiter_id="anna", to_waiter_id="ben")


def test_a_shift_is_announced_and_starting_again_changes_nothing(service, listener, clock):
    started = service.start_shift("anna", actor=ANNA)
    began = clock()
    clock.advance(60)
    again = service.start_shift("anna", actor=MANAGER)

    assert (started.changed, again.changed) == (True, False)
    assert started.waiter.on_shift_since == again.waiter.on_shift_since == began
    (change,) = listener.heard
    assert isinstance(change, ShiftChange)
    assert (change.waiter_id, change.is_on_shift, change.version) == ("anna", True, 2)
    assert (change.venue_id, change.session_or_none, change.actor) == ("main", None, ANNA)


def test_from_the_first_shift_on_waiters_off_shift_are_given_no_table(service):
    service.start_shift("anna")

    def refused(act):
        with pytest.raises(WaiterOffShift) as caught:
            act()
        assert caught.value.waiter_id == "ben"

    refused(lambda: service.open_session(1, "ben"))
    refused(lambda: service.transfer_sessions(session_ids=["table-5"], to_waiter_id="ben"))
    refused(lambda: service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben"))
    refused(lambda: service.end_shift("anna", to_waiter_id="ben"))
    service.close_session("table-9")
    refused(lambda: service.reopen_session("table-9"))
    service.start_shift("ben")
    service.open_session(1, "ben")


def test_the_first_shift_of_a_venue_binds_no_other_venue(service, elsewhere):
    service.start_shift("anna")
    service.open_session(1, "eva")
    with pytest.raises(WaiterOffShift):
        service.open_session(1, "ben")


def test_a_shift_with_tables_in_hand_does_not_end_and_names_them(service, listener):
    service.start_shift("anna")
    with pytest.raises(TablesInHand) as caught:
        service.end_shift("anna")
    assert caught.value.tables == {"table-5": 5, "table-7": 7}
    assert "5 (table-5), 7 (table-7)" in str(caught.value)
    assert len(listener.heard) == 1


def test_a_closed_table_with_unfinished_orders_is_still_in_hand(service):
    service.start_shift("anna")
    service.close_session("table-5")
    service.close_session("table-7", force=True, reason="they had to leave")
    with pytest.raises(TablesInHand) as caught:
        service.end_shift("anna")
    assert list(caught.value.tables) == ["table-7"]
    service.update_order_status("ord-1", "Cancelled")
    assert service.end_shift("anna").changed


def test_at_the_end_of_a_shift_everything_goes_over_in_one_commit(service, listener, queries):
    service.start_shift("anna")
    service.start_shift("ben")
    listener.heard.clear()

    ended = service.end_shift("anna", to_waiter_id="ben", reason="tired", actor=ANNA)

    assert [session.id for session in ended.moved] == ["table-5", "table-7"]
    assert not ended.waiter.is_on_shift
    first, second, shift = listener.heard
    assert (first.waiter_id, second.waiter_id) == ("ben", "ben")
    assert first.transfer_id == second.transfer_id != ""
    assert (shift.waiter_id, shift.is_on_shift, shift.version) == ("anna", False, 3)
    assert shift.reason == "tired"
    assert len(queries.waiter_floor("ben").sessions) == 3


def test_ending_again_changes_nothing_and_moves_nothing(service, listener, queries):
    service.start_shift("ben")
    listener.heard.clear()
    assert not service.end_shift("anna", to_waiter_id="ben").changed
    assert not service.end_shift("anna").changed
    assert listener.heard == []
    assert len(queries.waiter_floor("anna").sessions) == 2


def test_a_waiter_with_too_many_tables_hands_some_over_first(service, monkeypatch):
    monkeypatch.setattr(transfers, "MAX_SESSIONS", 1)
    service.start_shift("anna")
    service.start_shift("ben")
    with pytest.raises(ValidationError) as caught:
        service.end_shift("anna", to_waiter_id="ben")
    assert caught.value.field == "to_waiter_id"


def test_the_end_of_a_shift_withdraws_offers_from_and_to_the_waiter(service, listener):
    service.add_waiter("carl", "Carl")
    for waiter in ("anna", "ben", "carl"):
        service.start_shift(waiter)
    service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben")
    service.offer_sessions(session_ids=["table-9"], to_waiter_id="anna")
    listener.heard.clear()
    service.end_shift("anna", to_waiter_id="carl")
    settled = [change for change in listener.heard if change.KIND == "handover_settled"]
    assert [change.outcome for change in settled] == ["withdrawn", "withdrawn"]


def test_staff_start_and_end_the_shifts_that_are_their_business(service, elsewhere):
    for act in (service.start_shift, service.end_shift):
        for stranger in (BEN, Actor.guest("table-5"), Actor.kitchen("main")):
            with pytest.raises(NotPermitted):
                act("anna", actor=stranger)
        with pytest.raises(NotPermitted):
            act("eva", actor=MANAGER)
        with pytest.raises(UnknownWaiter):
            act("nobody", actor=MANAGER)
        act("eva", actor=EVERYWHERE)


def test_tables_do_not_go_to_another_venue_at_the_end_of_a_shift(service, elsewhere):
    service.start_shift("anna")
    service.start_shift("eva")
    for actor in (ANNA, EVERYWHERE):
        with pytest.raises(UnknownWaiter):
            service.end_shift("anna", to_waiter_id="eva", actor=actor)
    with pytest.raises(NotPermitted):
        service.end_shift("anna", to_waiter_id="eva", actor=MANAGER)
    with pytest.raises(UnknownWaiter):
        service.end_shift("anna", to_waiter_id="nobody")
    with pytest.raises(ValidationError):
        service.end_shift("anna", to_waiter_id="anna")


def test_shifts_and_offers_are_in_the_audit(service):
    service.start_shift("anna", actor=ANNA)
    service.start_shift("ben")
    offer = service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben", actor=ANNA)
    service.accept_offer(offer.id, actor=BEN)
    with service.database.reading() as orm:
        found = orm.execute(
            text(
                "SELECT subject_id, action, actor_id, from_value, to_value, version, session_id"
                " FROM audit WHERE subject_kind IN ('waiter', 'offer') ORDER BY id"
            )
        ).all()
    assert [tuple(row) for row in found] == [
        ("anna", "shift", "anna", "off_shift", "on_shift", 2, ""),
        ("ben", "shift", "system", "off_shift", "on_shift", 2, ""),
        (offer.id, "handover_offered", "anna", "anna", "ben", 1, ""),
        (offer.id, "handover_settled", "ben", None, "accepted", 2, ""),
    ]
