"""Withdrawn access: who is hit, and who is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from notifications.principal import Principal, Role
from notifications.revocation_list import RevocationList
from notifications.stream import CloseReason
from waiter_service.revocations import CLOSING_KEPT_FOR, KEPT_FOR, Revocation, RevokedKind

NOW = datetime.now(UTC)
GUEST = Principal(
    Role.CUSTOMER,
    "table-7",
    expires_at=NOW.timestamp() + 60,
    issued_at=NOW.timestamp() - 60,
    token_ids=("guest-jti",),
)
ANNA = Principal(
    Role.WAITER,
    "anna",
    expires_at=NOW.timestamp() + 60,
    issued_at=NOW.timestamp() - 60,
    token_ids=("anna-jti",),
)
MIA = Principal(
    Role.MANAGER,
    "mia",
    expires_at=NOW.timestamp() + 60,
    issued_at=NOW.timestamp() - 60,
    token_ids=("mia-jti",),
)


class Desk:
    """A revocation list over a list, and the streams it has closed."""

    def __init__(self, *streams: SimpleNamespace) -> None:
        # The test's own present: a module is imported long before its tests run.
        self.now = datetime.now(UTC)
        self.rows: list[Revocation] = []
        self.streams = list(streams)
        self.closed: list[tuple[str, CloseReason]] = []
        self.asked_since: list[datetime] = []
        self.walks = 0
        self.list = RevocationList(self._since, self._close)

    def revoke(
        self,
        kind: RevokedKind,
        subject: str,
        *,
        is_closing: bool = False,
        ago: timedelta = timedelta(0),
    ) -> None:
        self.rows.append(Revocation(kind, subject, self.now - ago, is_closing))
        self.list.refresh()

    def _since(self, moment: datetime) -> list[Revocation]:
        self.asked_since.append(moment)
        return [row for row in self.rows if row.revoked_at >= moment]

    def _close(self, condition: Callable, reason: CloseReason) -> None:
        self.walks += 1
        for stream in [each for each in self.streams if condition(each)]:
            self.streams.remove(stream)
            self.closed.append((stream.principal.subject, reason))


def stream(principal: Principal, channel: str) -> SimpleNamespace:
    return SimpleNamespace(principal=principal, channel=channel)


@pytest.mark.parametrize(
    ("kind", "subject", "hit"),
    [
        (RevokedKind.WAITER, "anna", {"anna"}),
        (RevokedKind.SESSION, "table-7", {"table-7"}),
        (RevokedKind.TOKEN, "anna-jti", {"anna"}),
        # The same name on the other side of the counter is somebody else.
        (RevokedKind.SESSION, "anna", set()),
        (RevokedKind.WAITER, "table-7", set()),
        # A waiter and a manager of one name are two people.
        (RevokedKind.WAITER, "mia", set()),
        (RevokedKind.MANAGER, "anna", set()),
        (RevokedKind.MANAGER, "mia", {"mia"}),
        (RevokedKind.TOKEN, "nobody's", set()),
    ],
)
def test_exactly_those_are_shut_out_whom_the_revocation_names(
    kind: RevokedKind, subject: str, hit: set[str]
) -> None:
    desk = Desk(
        stream(GUEST, "session:table-7"), stream(ANNA, "waiter:anna"), stream(MIA, "waiter:anna")
    )

    desk.revoke(kind, subject)

    assert {who for who, _ in desk.closed} == hit
    assert {reason for _, reason in desk.closed} <= {CloseReason.TOKEN_REVOKED}
    for principal in (GUEST, ANNA, MIA):
        assert desk.list.is_revoked(principal) == (principal.subject in hit)


def test_a_token_issued_after_the_revocation_is_good() -> None:
    desk = Desk()
    desk.revoke(RevokedKind.WAITER, "anna")

    later = dataclasses.replace(ANNA, issued_at=desk.now.timestamp() + 1)

    assert desk.list.is_revoked(ANNA)
    assert not desk.list.is_revoked(later)


def test_what_was_made_from_a_revoked_token_is_revoked_with_it() -> None:
    desk = Desk()
    derived = dataclasses.replace(ANNA, token_ids=("stream-jti", "anna-jti"), is_stream_token=True)

    desk.revoke(RevokedKind.TOKEN, "anna-jti")

    assert desk.list.is_revoked(derived)


def test_closing_a_session_ends_every_stream_on_it_and_says_so_kindly() -> None:
    desk = Desk(
        stream(GUEST, "session:table-7"), stream(MIA, "session:table-7"), stream(MIA, "waiter:anna")
    )

    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)
    desk.list.refresh()

    assert desk.closed == [
        ("table-7", CloseReason.SESSION_CLOSED),
        ("mia", CloseReason.SESSION_CLOSED),
    ]
    # They lost that stream, not the access: what was may still be read.
    assert not desk.list.is_revoked(MIA)
    assert not desk.list.is_revoked(GUEST)


def test_a_closed_session_is_over_at_once_but_its_streams_end_at_the_next_look() -> None:
    """Between two looks the outbox is flushed: what came last before the closing is told."""
    desk = Desk(stream(GUEST, "session:table-7"))

    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)
    assert desk.list.is_over("session", "table-7")
    assert desk.closed == []

    desk.list.refresh()
    assert desk.closed == [("table-7", CloseReason.SESSION_CLOSED)]


def test_streams_of_a_closed_session_end_even_if_the_store_fails_meanwhile() -> None:
    desk = Desk(stream(GUEST, "session:table-7"))
    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)

    del desk.rows
    with pytest.raises(AttributeError):
        desk.list.refresh()
    assert desk.closed == [("table-7", CloseReason.SESSION_CLOSED)]


def test_a_closed_session_is_over_and_stays_so_whatever_is_revoked_later() -> None:
    desk = Desk()
    desk.revoke(RevokedKind.SESSION, "table-5")
    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)
    desk.revoke(RevokedKind.SESSION, "table-7")

    assert desk.list.is_over("session", "table-7")
    assert desk.list.is_revoked(GUEST)
    assert not desk.list.is_over("session", "table-5")
    assert not desk.list.is_over("waiter", "table-7")


def test_a_closing_is_remembered_for_a_day_and_withdrawn_access_for_thirty() -> None:
    desk = Desk()
    hour = timedelta(hours=1)
    for table, ago in (("table-7", CLOSING_KEPT_FOR - hour), ("table-5", CLOSING_KEPT_FOR + hour)):
        desk.rows.append(Revocation(RevokedKind.SESSION, table, desk.now - ago, is_closing=True))
    desk.rows.append(Revocation(RevokedKind.TOKEN, "anna-jti", desk.now - KEPT_FOR + hour))
    desk.rows.append(Revocation(RevokedKind.TOKEN, "mia-jti", desk.now - KEPT_FOR - hour))
    desk.rows.sort(key=lambda row: row.revoked_at)
    desk.list.refresh()

    assert desk.list.is_over("session", "table-7")
    assert not desk.list.is_over("session", "table-5")
    assert desk.list.is_revoked(ANNA)
    assert not desk.list.is_revoked(MIA)


def test_a_closing_time_costs_one_walk_through_the_streams() -> None:
    desk = Desk(stream(GUEST, "session:table-7"), stream(ANNA, "waiter:anna"))
    for number in range(200):
        session_id = f"table-{number}"
        desk.rows.append(Revocation(RevokedKind.SESSION, session_id, desk.now, is_closing=True))
    for _ in range(4):
        desk.list.refresh()

    assert desk.closed == [("table-7", CloseReason.SESSION_CLOSED)]
    assert desk.walks == 1


def test_a_revocation_that_is_committed_late_does_not_replace_a_newer_one() -> None:
    desk = Desk()
    desk.revoke(RevokedKind.WAITER, "anna")
    desk.revoke(RevokedKind.WAITER, "anna", ago=timedelta(seconds=20))
    desk.rows.reverse()  # the store tells in the order of the moments

    between = dataclasses.replace(ANNA, issued_at=desk.now.timestamp() - 10)
    assert desk.list.is_revoked(between)
    walks = desk.walks
    desk.list.refresh()
    assert desk.walks == walks, "both are known"


def test_each_look_goes_back_far_enough_for_a_transaction_that_took_its_time() -> None:
    desk = Desk()
    desk.list.refresh()
    desk.list.refresh()
    late = Revocation(RevokedKind.WAITER, "anna", datetime.now(UTC) - timedelta(seconds=20))
    desk.rows.append(late)

    desk.list.refresh()

    assert desk.list.is_revoked(ANNA)
