"""Shifts, offers and transfers while others change the same rows."""

from functools import partial

import pytest
from sqlalchemy import text

from tests.waiter_service.test_races import at_once
from waiter_service import Actor
from waiter_service.errors import (
    Conflict,
    OfferSettled,
    SessionsOffered,
    TableOccupied,
    TablesInHand,
    TransferRefused,
    WaiterOffShift,
)

ROUNDS = 8
BEN = Actor.waiter("ben")


@pytest.fixture
def on_shift(service):
    """Begin a new round: all on shift, ``anna`` with tables 5 and 7, no offers."""

    def begin():
        with service.database.writing() as orm:
            for table in ("outbox", "audit", "offers", "revocations"):
                orm.execute(text(f"DELETE FROM {table}"))
            orm.execute(
                text("DELETE FROM sessions WHERE id NOT IN ('table-5','table-7','table-9')")
            )
            orm.execute(text("UPDATE sessions SET closed_at = NULL, settled_at = NULL"))
            orm.execute(text("UPDATE sessions SET waiter_id = 'anna'"))
            orm.execute(text("UPDATE sessions SET waiter_id = 'ben' WHERE id = 'table-9'"))
        for waiter in ("anna", "ben"):
            service.start_shift(waiter)

    service.update_order_status("ord-1", "Cancelled")
    return begin


def held_by(service, waiter):
    with service.database.reading() as orm:
        found = orm.scalars(
            text("SELECT id FROM sessions WHERE waiter_id = :id AND closed_at IS NULL"),
            {"id": waiter},
        )
        return set(found)


def is_on_shift(service, waiter):
    with service.database.reading() as orm:
        since = text("SELECT on_shift_since FROM waiters WHERE id = :id")
        return orm.scalar(since, {"id": waiter}) is not None


def outcome_of(service, offer_id):
    with service.database.reading() as orm:
        return orm.scalar(text("SELECT outcome FROM offers WHERE id = :id"), {"id": offer_id})


def assert_only_conflicts(results):
    for result in results:
        assert not isinstance(result, Exception) or isinstance(result, Conflict), result


def test_nobody_off_shift_gets_a_table_while_the_shift_ends(service, on_shift):
    for _ in range(ROUNDS):
        on_shift()
        service.close_session("table-9")
        ended, opened, given = at_once(
            lambda: service.end_shift("ben"),
            lambda: service.open_session(3, "ben"),
            lambda: service.transfer_sessions(session_ids=["table-5"], to_waiter_id="ben"),
        )
        assert_only_conflicts([ended, opened, given])
        if isinstance(ended, TablesInHand):
            assert is_on_shift(service, "ben")
            assert held_by(service, "ben")
        else:
            assert isinstance(opened, WaiterOffShift)
            assert isinstance(given, WaiterOffShift)
            assert held_by(service, "ben") == set()


def test_tables_opened_while_a_shift_ends_go_over_or_are_refused(service, on_shift):
    for _ in range(ROUNDS):
        on_shift()
        ended, opened = at_once(
            lambda: service.end_shift("anna", to_waiter_id="ben"),
            lambda: service.open_session(3, "anna"),
        )
        assert ended.changed
        assert len(ended.moved) == (2 if isinstance(opened, WaiterOffShift) else 3)
        assert held_by(service, "anna") == set()


def test_two_waiters_who_leave_to_each_other_do_not_both_leave(service, on_shift):
    for _ in range(ROUNDS):
        on_shift()
        results = at_once(
            lambda: service.end_shift("anna", to_waiter_id="ben"),
            lambda: service.end_shift("ben", to_waiter_id="anna"),
        )
        assert sum(isinstance(result, WaiterOffShift) for result in results) == 1
        (stays,) = (each for each in ("anna", "ben") if is_on_shift(service, each))
        assert held_by(service, stays) == {"table-5", "table-7", "table-9"}


def test_an_acceptance_that_races_a_close_is_all_or_nothing(service, on_shift):
    for _ in range(ROUNDS):
        on_shift()
        offer_id = service.offer_sessions(from_waiter_id="anna", to_waiter_id="ben").id
        accepted, closed = at_once(
            partial(service.accept_offer, offer_id, actor=BEN),
            lambda: service.close_session("table-7"),
        )
        assert closed.changed
        if isinstance(accepted, TransferRefused):
            assert held_by(service, "anna") == {"table-5"}
            assert outcome_of(service, offer_id) is None
        else:
            assert held_by(service, "ben") == {"table-5", "table-9"}
            assert closed.session.waiter_id == "ben"


@pytest.mark.parametrize("other", ["withdraw_offer", "decline_offer"])
def test_of_several_ways_to_settle_an_offer_exactly_one_wins(service, on_shift, other):
    for _ in range(ROUNDS):
        on_shift()
        offer_id = service.offer_sessions(from_waiter_id="anna", to_waiter_id="ben").id
        results = at_once(
            partial(service.accept_offer, offer_id), partial(getattr(service, other), offer_id)
        )
        assert sum(isinstance(result, OfferSettled) for result in results) == 1
        moved = {"table-5", "table-7"} <= held_by(service, "ben")
        assert moved is (outcome_of(service, offer_id) == "accepted")
        assert moved is not isinstance(results[0], OfferSettled)


def test_an_offer_accepted_many_times_at_once_moves_its_tables_once(service, on_shift, listener):
    on_shift()
    offer_id = service.offer_sessions(from_waiter_id="anna", to_waiter_id="ben").id
    listener.heard.clear()
    results = at_once(*[lambda: service.accept_offer(offer_id, actor=BEN) for _ in range(6)])
    assert sorted(result.changed for result in results) == [False] * 5 + [True]
    kinds = sorted(change.KIND for change in listener.heard)
    assert kinds == ["handover_settled", "session_transfer", "session_transfer"]


def test_an_acceptance_that_races_the_end_of_either_shift_leaves_no_table_behind(service, on_shift):
    for leaver, heir in (("ben", "anna"), ("anna", "ben")) * (ROUNDS // 2):
        on_shift()
        offer_id = service.offer_sessions(from_waiter_id="anna", to_waiter_id="ben").id
        accepted, ended = at_once(
            partial(service.accept_offer, offer_id),
            partial(service.end_shift, leaver, to_waiter_id=heir),
        )
        assert_only_conflicts([accepted])
        assert ended.changed
        assert held_by(service, leaver) == set()
        assert outcome_of(service, offer_id) in ("accepted", "withdrawn")


def test_an_offer_expires_in_one_process_alone(service, make_service, clock, listener, on_shift):
    on_shift()
    processes = [make_service() for _ in range(4)]
    service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben")
    service.offer_sessions(session_ids=["table-7"], to_waiter_id="ben")
    listener.heard.clear()
    clock.advance(300)
    counts = at_once(*[process.expire_offers for process in processes])
    # A process skips rows that another process has locked.
    assert sum(counts) == 2
    assert [change.KIND for change in listener.heard] == ["handover_settled"] * 2


def test_a_session_offered_twice_at_once_is_in_one_offer(service, on_shift):
    service.add_waiter("carl", "Carl")
    service.start_shift("carl")
    for _ in range(ROUNDS):
        on_shift()
        results = at_once(
            lambda: service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben"),
            lambda: service.offer_sessions(session_ids=["table-7", "table-5"], to_waiter_id="carl"),
        )
        assert sum(isinstance(result, SessionsOffered) for result in results) == 1


def test_of_parties_that_move_to_the_same_table_exactly_one_gets_it(service, on_shift):
    on_shift()
    results = at_once(
        lambda: service.move_session("table-5", 30),
        lambda: service.move_session("table-7", 30),
        lambda: service.open_session(30, "ben"),
    )
    assert sum(isinstance(result, TableOccupied) for result in results) == 2


def test_a_close_and_an_acceptance_do_not_wait_for_each_other(service, on_shift):
    """No caller becomes the victim of a deadlock, which would be a DatabaseError."""
    for _ in range(ROUNDS):
        on_shift()
        first = service.offer_sessions(session_ids=["table-5"], to_waiter_id="ben").id
        second = service.offer_sessions(session_ids=["table-9"], to_waiter_id="anna").id
        results = at_once(
            partial(service.accept_offer, first),
            partial(service.accept_offer, second),
            lambda: service.offer_sessions(from_waiter_id="anna", to_waiter_id="ben"),
            lambda: service.transfer_sessions(from_waiter_id="ben", to_waiter_id="anna"),
            lambda: service.close_session("table-7"),
            service.expire_offers,
        )
        assert_only_conflicts(results)
