"""What was withdrawn and what was closed, and for how long that is known."""

from datetime import timedelta

import pytest

from waiter_service.revocations import CLOSING_KEPT_FOR, KEPT_FOR, Revocation, Revocations

SESSION, WAITER, TOKEN = "session", "waiter", "token"
A_MOMENT = timedelta(seconds=1)


@pytest.fixture
def revocations(database, clock):
    return Revocations(database, clock=clock)


def test_what_was_revoked_since_a_moment_comes_oldest_first(revocations, service, clock):
    began = clock.now
    revocations.revoke_waiter("anna")
    clock.advance(1)
    revocations.revoke_token("lost-phone")
    clock.advance(1)
    revocations.revoke_session("table-7")
    service.close_session("table-7")

    assert revocations.since(began) == [
        Revocation(WAITER, "anna", began),
        Revocation(TOKEN, "lost-phone", began + timedelta(seconds=1)),
        Revocation(SESSION, "table-7", began + timedelta(seconds=2)),
        Revocation(SESSION, "table-7", began + timedelta(seconds=2), is_closing=True),
    ]
    assert len(revocations.since(began + A_MOMENT)) == 3


def test_a_closing_is_kept_for_a_day_and_withdrawn_access_as_long_as_a_token_may_live(
    revocations, service, clock
):
    began = clock.now
    revocations.revoke_waiter("anna")
    service.close_session("table-7")

    clock.now = began + CLOSING_KEPT_FOR
    revocations.prune()
    assert len(revocations.since(began)) == 2

    clock.advance(1)
    revocations.prune()
    assert [each.subject for each in revocations.since(began)] == ["anna"]

    clock.now = began + KEPT_FOR
    revocations.prune()
    assert len(revocations.since(began)) == 1

    clock.advance(1)
    revocations.prune()
    assert revocations.since(began) == []
