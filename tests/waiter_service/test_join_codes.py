"""The codes by which guests join a table, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from waiter_service import Actor
from waiter_service.errors import JoinCodeInvalid, NotPermitted, UnknownSession
from waiter_service.join_codes import VALID_FOR, JoinCodes
from waiter_service.store.models import AuditRow, JoinCodeRow

ANNA, BEN, MIA = Actor.waiter("anna"), Actor.waiter("ben"), Actor.manager("mia")


@pytest.fixture
def codes(database, service, clock):
    """Codes for the tables of ``service``."""
    return JoinCodes(database, ["the present key"], max_guests=5, clock=clock)


def test_of_many_guests_at_once_exactly_the_permitted_number_joins(codes, database):
    code = codes.make("table-7", actor=ANNA).code

    def attempt(number):
        try:
            return codes.join(code, address=f"192.0.2.{number}").token_id
        except JoinCodeInvalid:
            return None

    with ThreadPoolExecutor(12) as pool:
        joined = [each for each in pool.map(attempt, range(12)) if each is not None]
    assert len(joined) == len(set(joined)) == 5
    assert {each.jti for each in codes.joins("table-7", actor=MIA)} == set(joined)
    with pytest.raises(JoinCodeInvalid):
        codes.join(code, address="192.0.2.99")


def test_a_wrong_code_takes_no_write_lock(codes, database):
    codes.make("table-7", actor=ANNA)
    with database.writing(), pytest.raises(JoinCodeInvalid):
        codes.join("0000-0000-0000", address="192.0.2.7")


def test_a_join_is_audited_with_its_token_and_address(codes, database, clock):
    code = codes.make("table-7", actor=ANNA).code
    join = codes.join(code.lower(), address="192.0.2.7")
    with database.reading() as orm:
        [row] = orm.scalars(select(AuditRow).where(AuditRow.action == "guest_joined"))
    assert (row.subject_kind, row.subject_id, row.session_id) == ("session", "table-7", "table-7")
    assert (row.actor_kind, row.to_value, row.from_value) == ("guest", join.token_id, "192.0.2.7")
    assert row.occurred_at == clock.now


def test_a_code_ends_after_twelve_hours(codes, clock):
    code = codes.make("table-7", actor=ANNA)
    assert code.expires_at == clock.now + VALID_FOR
    clock.advance(VALID_FOR.total_seconds())
    assert codes.current("table-7", actor=ANNA) is None
    with pytest.raises(JoinCodeInvalid):
        codes.join(code.code, address="-")


def test_a_code_cannot_be_derived_from_the_database(codes, database, clock):
    code = codes.make("table-7", actor=ANNA)
    with database.reading() as orm:
        row = orm.scalars(select(JoinCodeRow)).one()
    assert code.code.replace("-", "") not in (row.nonce + row.digest).upper()
    assert code.code not in repr(code)
    # With another key, the same rows give no code and accept none.
    stranger = JoinCodes(database, ["another key"], clock=clock)
    assert stranger.current("table-7", actor=ANNA) is None
    with pytest.raises(JoinCodeInvalid):
        stranger.join(code.code, address="-")


def test_a_code_survives_the_rotation_of_its_key(codes, database, clock):
    code = codes.make("table-7", actor=ANNA)
    rotated = JoinCodes(database, ["the next key", "the present key"], clock=clock)
    assert rotated.current("table-7", actor=ANNA) == code
    assert rotated.join(code.code, address="-").session.id == "table-7"
    assert rotated.make("table-7", actor=ANNA).code != code.code


def test_codes_are_only_for_the_waiter_and_managers(codes):
    for act in (codes.make, codes.current, codes.joins):
        for stranger in (BEN, Actor.guest("table-7"), Actor.guest("table-9")):
            with pytest.raises(NotPermitted):
                act("table-7", actor=stranger)
        for nowhere in ("nowhere", "a b", "x\0y"):
            with pytest.raises(UnknownSession):
                act(nowhere, actor=MIA)


def test_a_transfer_a_closing_and_a_new_code_each_end_a_code(codes, service):
    def is_good(code):
        try:
            return bool(codes.join(code, address="-"))
        except JoinCodeInvalid:
            return False

    first = codes.make("table-7", actor=ANNA).code
    second = codes.make("table-7", actor=ANNA).code
    assert (is_good(first), is_good(second)) == (False, True)
    service.transfer_sessions(to_waiter_id="ben", session_ids=["table-7"])
    assert not is_good(second)
    third = codes.make("table-7", actor=BEN).code
    service.close_session("table-7", force=True, reason="test")
    assert not is_good(third)
