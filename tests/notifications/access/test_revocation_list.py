"""Withdrawn access: which principals and streams it affects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from notifications.access.revocation_list import RevocationList
from notifications.principal import Principal, Role
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stream import CloseReason
from waiter_service.errors import DatabaseUnavailable
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
    """A revocation list with its rows in memory, and the streams it has closed."""

    def __init__(self, *streams: SimpleNamespace) -> None:
        # The present of this test, because a module is imported long before its tests run.
        self.now = datetime.now(UTC)
        self.rows: list[Revocation] = []
        self.streams = list(streams)
        self.closed: list[tuple[str, CloseReason]] = []
        self.asked: list[tuple[int, set[int]]] = []
        self.walks = 0
        self.cannot_stamp = False
        self.list = RevocationList(self, cast("OpenStreams", self))

    def commit(
        self,
        kind: RevokedKind,
        subject: str,
        *,
        is_closing: bool = False,
        seen_at: datetime | None = None,
        id_: int | None = None,
        venue_id: str = "main",
    ) -> None:
        """Add a row to the store, by default as the next row and not yet seen by any process."""
        newest = max((row.id for row in self.rows), default=0)
        self.rows.append(
            Revocation(
                newest + 1 if id_ is None else id_, kind, subject, seen_at, is_closing, venue_id
            )
        )
        self.rows.sort(key=lambda row: row.id)

    def revoke(self, kind: RevokedKind, subject: str, **row: Any) -> None:
        self.commit(kind, subject, **row)
        self.list.refresh()

    def find(self, newest: int = 0, missing: Collection[int] = ()) -> list[Revocation]:
        self.asked.append((newest, set(missing)))
        return [
            row for row in self.rows if row.id >= newest or row.id in missing or row.seen_at is None
        ]

    def stamp(self, ids: Sequence[int]) -> dict[int, datetime]:
        if self.cannot_stamp:
            raise DatabaseUnavailable("read-only")
        self.rows = [
            dataclasses.replace(row, seen_at=row.seen_at or self.now) if row.id in ids else row
            for row in self.rows
        ]
        return {row.id: row.seen_at for row in self.rows if row.id in ids and row.seen_at}

    def close_where(self, condition: Callable[[Any], object], reason: CloseReason) -> None:
        self.walks += 1
        for stream in [each for each in self.streams if condition(each)]:
            self.streams.remove(stream)
            self.closed.append((stream.principal.subject, reason))


def stream(principal: Principal, channel: str) -> SimpleNamespace:
    return SimpleNamespace(principal=principal, channel=channel)


@pytest.mark.parametrize(
    ("venue_id", "hit"),
    [
        ("main", {"main", "*"}),
        ("north", {"north", "*"}),
        ("south", {"*"}),
        ("*", {"main", "north", "*"}),
    ],
)
@pytest.mark.parametrize(
    ("kind", "role"), [(RevokedKind.MANAGER, Role.MANAGER), (RevokedKind.SERVICE, Role.SERVICE)]
)
def test_managers_of_two_venues_with_one_id_are_two_people(
    kind: RevokedKind, role: Role, venue_id: str, hit: set[str]
) -> None:
    """A token for all venues is void whichever venue is named: it gives access there."""
    bosses = {
        venue: Principal(role, "boss", expires_at=2e9, issued_at=1e9, venue=venue)
        for venue in ("main", "north", "*")
    }
    desk = Desk(*(stream(boss, f"{venue}:floor:{venue}") for venue, boss in bosses.items()))
    desk.revoke(kind, "boss", venue_id=venue_id)
    assert {venue for venue, boss in bosses.items() if desk.list.is_revoked(boss)} == hit
    assert len(desk.closed) == len(hit)


@pytest.mark.parametrize(
    ("kind", "subject", "hit"),
    [
        (RevokedKind.WAITER, "anna", {"anna"}),
        (RevokedKind.SESSION, "table-7", {"table-7"}),
        (RevokedKind.TOKEN, "anna-jti", {"anna"}),
        # A guest and a waiter of one name are two people.
        (RevokedKind.SESSION, "anna", set()),
        (RevokedKind.WAITER, "table-7", set()),
        # A waiter and a manager of one name are two people.
        (RevokedKind.WAITER, "mia", set()),
        (RevokedKind.MANAGER, "anna", set()),
        (RevokedKind.MANAGER, "mia", {"mia"}),
        (RevokedKind.TOKEN, "nobody's", set()),
    ],
)
def test_revocation_affects_exactly_the_principal_it_names(
    kind: RevokedKind, subject: str, hit: set[str]
) -> None:
    desk = Desk(
        stream(GUEST, "main:session:table-7"),
        stream(ANNA, "main:waiter:anna"),
        stream(MIA, "main:waiter:anna"),
    )

    desk.revoke(kind, subject)

    assert {who for who, _ in desk.closed} == hit
    assert {reason for _, reason in desk.closed} <= {CloseReason.TOKEN_REVOKED}
    for principal in (GUEST, ANNA, MIA):
        assert desk.list.is_revoked(principal) == (principal.subject in hit)


def test_token_issued_after_the_revocation_is_good() -> None:
    desk = Desk()
    desk.revoke(RevokedKind.WAITER, "anna")

    later = dataclasses.replace(ANNA, issued_at=desk.now.timestamp() + 1)

    assert desk.list.is_revoked(ANNA)
    assert not desk.list.is_revoked(later)


def test_token_made_from_a_revoked_token_is_revoked_with_it() -> None:
    desk = Desk()
    derived = dataclasses.replace(ANNA, token_ids=("stream-jti", "anna-jti"), is_stream_token=True)

    desk.revoke(RevokedKind.TOKEN, "anna-jti")

    assert desk.list.is_revoked(derived)


def test_closing_a_session_ends_its_streams_with_the_reason_session_closed() -> None:
    desk = Desk(
        stream(GUEST, "main:session:table-7"),
        stream(MIA, "main:session:table-7"),
        stream(MIA, "main:waiter:anna"),
    )

    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)
    desk.list.refresh()

    assert desk.closed == [
        ("table-7", CloseReason.SESSION_CLOSED),
        ("mia", CloseReason.SESSION_CLOSED),
    ]
    # They lost the stream but not their access: they may still read what happened.
    assert not desk.list.is_revoked(MIA)
    assert not desk.list.is_revoked(GUEST)


def test_closed_session_is_over_at_once_and_its_streams_end_at_the_next_refresh() -> None:
    """Between two refreshes the outbox is flushed, so the last events before the closing arrive."""
    desk = Desk(stream(GUEST, "main:session:table-7"))

    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)
    assert desk.list.is_over("session", "table-7")
    assert desk.closed == []

    desk.list.refresh()
    assert desk.closed == [("table-7", CloseReason.SESSION_CLOSED)]


def test_streams_of_a_closed_session_end_even_if_the_store_fails() -> None:
    desk = Desk(stream(GUEST, "main:session:table-7"))
    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)

    del desk.rows
    with pytest.raises(AttributeError):
        desk.list.refresh()
    assert desk.closed == [("table-7", CloseReason.SESSION_CLOSED)]


def test_closed_session_stays_over_after_a_later_revocation() -> None:
    desk = Desk()
    desk.revoke(RevokedKind.SESSION, "table-5")
    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)
    desk.revoke(RevokedKind.SESSION, "table-7")

    assert desk.list.is_over("session", "table-7")
    assert desk.list.is_revoked(GUEST)
    assert not desk.list.is_over("session", "table-5")
    assert not desk.list.is_over("waiter", "table-7")


def test_closing_is_kept_for_one_day_and_withdrawn_access_for_thirty() -> None:
    desk = Desk()
    hour = timedelta(hours=1)
    for table, ago in (("table-7", CLOSING_KEPT_FOR - hour), ("table-5", CLOSING_KEPT_FOR + hour)):
        desk.commit(RevokedKind.SESSION, table, seen_at=desk.now - ago, is_closing=True)
    desk.commit(RevokedKind.TOKEN, "anna-jti", seen_at=desk.now - KEPT_FOR + hour)
    desk.commit(RevokedKind.TOKEN, "mia-jti", seen_at=desk.now - KEPT_FOR - hour)
    desk.list.refresh()

    assert desk.list.is_over("session", "table-7")
    assert not desk.list.is_over("session", "table-5")
    assert desk.list.is_revoked(ANNA)
    assert not desk.list.is_revoked(MIA)


def test_many_closings_cost_one_walk_through_the_streams() -> None:
    desk = Desk(stream(GUEST, "main:session:table-7"), stream(ANNA, "main:waiter:anna"))
    for number in range(200):
        session_id = f"table-{number}"
        desk.commit(RevokedKind.SESSION, session_id, is_closing=True)
    for _ in range(4):
        desk.list.refresh()

    assert desk.closed == [("table-7", CloseReason.SESSION_CLOSED)]
    assert desk.walks == 1


def test_expired_closing_that_is_the_newest_row_costs_no_walk() -> None:
    """Each refresh reads the row and forgets it again."""
    desk = Desk(stream(GUEST, "main:session:table-7"))
    yesterday = desk.now - CLOSING_KEPT_FOR - timedelta(minutes=1)
    desk.commit(RevokedKind.SESSION, "table-5", seen_at=yesterday, is_closing=True)
    for _ in range(2):
        desk.list.refresh()
    walks = desk.walks
    for _ in range(4):
        desk.list.refresh()
    assert desk.walks == walks


def test_revocation_that_is_committed_late_does_not_replace_a_newer_one() -> None:
    desk = Desk()
    desk.commit(RevokedKind.WAITER, "ben", id_=1)
    desk.revoke(RevokedKind.WAITER, "anna", id_=3)
    desk.revoke(RevokedKind.WAITER, "anna", id_=2, seen_at=desk.now - timedelta(seconds=20))

    between = dataclasses.replace(ANNA, issued_at=desk.now.timestamp() - 10)
    assert desk.list.is_revoked(between)
    walks = desk.walks
    desk.list.refresh()
    assert desk.walks == walks, "the list knows both rows"


@pytest.mark.parametrize("seen_by_another", [False, True])
def test_row_committed_after_one_with_a_later_id_is_not_missed(
    seen_by_another: bool,
) -> None:
    desk = Desk(stream(ANNA, "main:waiter:anna"))
    for id_ in (1, 3):
        desk.revoke(RevokedKind.WAITER, f"waiter-{id_}", id_=id_)

    seen_at = desk.now if seen_by_another else None
    desk.revoke(RevokedKind.WAITER, "anna", id_=2, seen_at=seen_at)

    assert desk.closed == [("anna", CloseReason.TOKEN_REVOKED)]
    desk.list.refresh()
    assert desk.asked[-1] == (3, set())


def test_missing_ids_are_asked_for_a_limited_time() -> None:
    desk = Desk()
    desk.revoke(RevokedKind.WAITER, "ben", id_=1)
    desk.revoke(RevokedKind.WAITER, "ben", id_=1_000)
    desk.list.refresh()
    assert desk.asked[-1] == (1_000, set(range(900, 1_000)))
    desk.revoke(RevokedKind.WAITER, "ben", id_=1_050)
    desk.list.refresh()
    assert desk.asked[-1] == (1_050, set(range(950, 1_050)) - {1_000})


@pytest.mark.parametrize("stays", [True, False])
def test_after_a_restore_everything_is_read_again(stays: bool) -> None:
    """After a restore, ids that the backup does not contain are given out again."""
    desk = Desk()
    desk.commit(RevokedKind.WAITER, "cleo", seen_at=desk.now)
    for subject in ("ben", "dora"):
        desk.revoke(RevokedKind.WAITER, subject)

    del desk.rows[1:]
    if stays:
        desk.commit(RevokedKind.WAITER, "anna", seen_at=desk.now)
        desk.commit(RevokedKind.WAITER, "dora", seen_at=desk.now + timedelta(seconds=1))
    desk.list.refresh()

    assert desk.list.is_revoked(ANNA) == stays
    assert desk.asked[-1] == (0, set())
    # A withdrawal that this process has seen stays in force.
    assert desk.list.is_revoked(dataclasses.replace(ANNA, subject="ben"))


def test_row_that_cannot_be_stamped_takes_effect_and_is_stamped_later() -> None:
    desk = Desk(stream(ANNA, "main:waiter:anna"))
    desk.cannot_stamp = True
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            desk.list.refresh() if desk.rows else desk.revoke(RevokedKind.WAITER, "anna")
    assert desk.closed == [("anna", CloseReason.TOKEN_REVOKED)]
    assert desk.walks == 1

    desk.cannot_stamp = False
    desk.list.refresh()
    assert all(row.seen_at for row in desk.rows)


def test_processes_with_different_clocks_agree_on_revoked_tokens() -> None:
    ahead = timedelta(seconds=35)
    desk = Desk()
    desk.revoke(RevokedKind.WAITER, "anna", seen_at=desk.now - ahead)

    assert desk.list.is_revoked(ANNA)
    since = dataclasses.replace(ANNA, issued_at=(desk.now - ahead).timestamp() + 1)
    assert not desk.list.is_revoked(since)


def test_reopened_session_is_not_over_and_may_be_closed_again() -> None:
    desk = Desk(stream(GUEST, "main:session:table-7"))
    desk.commit(RevokedKind.SESSION, "table-7", is_closing=True)
    desk.revoke(RevokedKind.REOPENED, "table-7", is_closing=True)
    desk.list.refresh()
    assert not desk.list.is_over("session", "table-7")
    # Closing and reopening came before the next refresh, so the streams stay open.
    assert desk.closed == []

    desk.now += timedelta(seconds=1)
    desk.revoke(RevokedKind.SESSION, "table-7", is_closing=True)
    assert desk.list.is_over("session", "table-7")
    desk.list.refresh()
    assert [subject for subject, _ in desk.closed] == ["table-7"]


def test_session_reopened_before_this_process_began_is_not_over() -> None:
    desk = Desk()
    later, earlier = desk.now, desk.now - timedelta(seconds=60)
    # The clocks of the processes that stamped the rows differ.
    desk.commit(RevokedKind.SESSION, "table-7", is_closing=True, seen_at=later)
    desk.commit(RevokedKind.REOPENED, "table-7", is_closing=True, seen_at=earlier)
    desk.list.refresh()
    desk.list.refresh()
    assert not desk.list.is_over("session", "table-7")
