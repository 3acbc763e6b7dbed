"""Revocations and closings, and how long they are kept."""

import pytest

from waiter_service.revocations import (
    CLOSING_KEPT_FOR,
    KEPT_FOR,
    Revocations,
    RevokedKind,
    add,
)

SESSION, WAITER, TOKEN = "session", "waiter", "token"


@pytest.fixture
def revocations(database, clock):
    return Revocations(database, clock=clock)


def subjects(revocations, **asked):
    return [(each.kind, each.subject, each.is_closing) for each in revocations.find(**asked)]


def stamp_all(revocations):
    return revocations.stamp([each.id for each in revocations.find()])


def test_a_revocation_is_found_by_its_id_even_if_clocks_differ(
    revocations, service, clock, database
):
    revocations.revoke_waiter("anna")
    clock.advance(-3600)
    revocations.revoke_token("lost-phone")
    service.close_session("table-7", force=True, reason="gone")
    stamp_all(revocations)
    first, second, third = (each.id for each in revocations.find())

    assert subjects(revocations, newest=second) == [
        (TOKEN, "lost-phone", False),
        (SESSION, "table-7", True),
    ]
    assert subjects(revocations, newest=third, missing=[first]) == [
        (WAITER, "anna", False),
        (SESSION, "table-7", True),
    ]
    Revocations(database, clock=clock).revoke_manager("maria")
    assert subjects(revocations, newest=third)[1:] == [("manager", "maria", False)]


def test_an_unstamped_revocation_is_found_whatever_its_id(revocations):
    revocations.revoke_waiter("anna")
    revocations.revoke_waiter("ben")
    _, newest = revocations.find()
    revocations.stamp([newest.id])
    assert [each.subject for each in revocations.find(newest=newest.id)] == ["anna", "ben"]
    stamp_all(revocations)
    assert [each.subject for each in revocations.find(newest=newest.id)] == ["ben"]


def test_the_first_process_to_see_a_revocation_stamps_it_once(revocations, database, clock):
    clock.advance(3600)
    revocations.revoke_waiter("anna")
    [row] = revocations.find()
    assert row.seen_at is None

    clock.advance(-3600)
    stamp = revocations.stamp([row.id])
    assert stamp == {row.id: clock.now}
    clock.advance(35)
    assert Revocations(database, clock=clock).stamp([row.id]) == stamp
    assert [each.seen_at for each in revocations.find()] == [stamp[row.id]]


def test_thousands_of_revocations_are_stamped_at_once(revocations, database, clock):
    with database.writing() as orm:
        for number in range(1_200):
            add(orm, RevokedKind.SESSION, f"table-{number}", clock.now, is_closing=True)
    assert set(stamp_all(revocations).values()) == {clock.now}
    assert all(each.seen_at for each in revocations.find())


def test_a_closing_is_kept_for_a_day_and_a_revocation_for_the_life_of_a_token(
    revocations, service, clock
):
    revocations.revoke_waiter("anna")
    service.close_session("table-7", force=True, reason="gone")
    clock.advance(7 * 24 * 3600)
    # No process ran for a week. A revocation counts from when it is first seen.
    revocations.prune()
    stamp_all(revocations)
    began = clock.now

    clock.now = began + CLOSING_KEPT_FOR
    revocations.prune()
    assert len(revocations.find()) == 2

    clock.advance(1)
    revocations.prune()
    assert [each.subject for each in revocations.find()] == ["anna"]

    clock.now = began + KEPT_FOR
    revocations.prune()
    assert len(revocations.find()) == 1

    clock.advance(1)
    revocations.prune()
    assert revocations.find() == []
