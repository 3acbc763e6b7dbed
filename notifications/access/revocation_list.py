"""Withdrawn access and closed sessions, as this process knows them; ends their streams."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from notifications.principal import Principal, Role
from notifications.streams.open_streams import OpenStreams
from notifications.streams.stream import CloseReason
from waiter_service.actors import ALL_VENUES
from waiter_service.revocations import (
    BY_VENUE,
    CLOSING_KEPT_FOR,
    KEPT_FOR,
    Revocation,
    RevokedKind,
)

#: How many missing ids below the newest are looked for again. On PostgreSQL a transaction
#: may commit after a hundred others with later ids. Ids of transactions that were rolled
#: back are looked for as well, which is why the number is not higher.
WATCHED_IDS = 100

#: The kind of revocation that withdraws everything a bearer holds. A waiter and a manager
#: may have the same id and be two people.
_KIND_OF = {
    Role.CUSTOMER: RevokedKind.SESSION,
    Role.WAITER: RevokedKind.WAITER,
    Role.MANAGER: RevokedKind.MANAGER,
    Role.KITCHEN: RevokedKind.KITCHEN,
    Role.DISPLAY: RevokedKind.DISPLAY,
    Role.SERVICE: RevokedKind.SERVICE,
}

#: In place of a venue, where the venue makes no difference.
_ANY_VENUE = ""

Key = TypeVar("Key")


class Store(Protocol):
    """The part of :class:`waiter_service.revocations.Revocations` that is used here."""

    def find(self, newest: int = 0, missing: Collection[int] = ()) -> list[Revocation]: ...
    def stamp(self, ids: Sequence[int]) -> dict[int, datetime]: ...


class RevocationList:
    """Answers from memory whether access was withdrawn and whether a session is over.

    :meth:`refresh`, called a few times a second, reads new rows and ends the streams they
    concern: at once if access was withdrawn, at the next call if a session was closed.
    Between two calls ``publishing/relay.py`` flushes the outbox, so the guests hear of the
    last change before their streams end.
    """

    def __init__(self, store: Store, streams: OpenStreams) -> None:
        self._store = store
        self._streams = streams
        # The row with the highest id. Each refresh reads it again: if it is gone or has
        # changed, rows were pruned or the database was restored, and all rows are read.
        self._newest: Revocation | None = None
        # Ids below it that no row had so far.
        self._missing: frozenset[int] = frozenset()
        # Rows that could not be stamped yet, and when this process first saw each.
        self._unstamped: dict[int, datetime] = {}
        # When access was last withdrawn, oldest first. Earlier times add nothing. Each is of a
        # kind, a subject and a venue.
        self._withdrawn: OrderedDict[tuple[RevokedKind, str, str], datetime] = OrderedDict()
        # The closed sessions, and when each was closed, oldest first. Kept separately:
        # closing withdraws no access, and there are thousands a day.
        self._over: OrderedDict[str, datetime] = OrderedDict()
        # Those of them whose streams end at the next refresh.
        self._ending: set[str] = set()

    def refresh(self) -> None:
        """Read new rows, stamp them and close the streams they concern.

        May switch greenlets while it reads and writes.

        Raises:
            DatabaseError: no rows were read, and nothing changes; or they were read and
                take effect here, but could not be stamped. The next call tries again.
        """
        self._end_closed()
        found = self._find()
        now = datetime.now(UTC)
        self._unstamped = {
            each.id: self._unstamped.get(each.id, now) for each in found if each.seen_at is None
        }
        stamps: dict[int, datetime] = {}
        try:
            if self._unstamped:
                stamps = self._store.stamp(list(self._unstamped))
        finally:
            self._take(found, stamps)

    def _find(self) -> list[Revocation]:
        """Read new rows; all rows if the newest known one is no longer there."""
        newest = self._newest
        if newest is not None:
            found = self._store.find(newest.id, self._missing)
            if newest in found:
                # Known already, unless it is still to be stamped.
                return [each for each in found if each != newest or each.seen_at is None]
            self._newest, self._missing = None, frozenset()
        return self._store.find()

    def _take(self, found: Sequence[Revocation], stamps: Mapping[int, datetime]) -> None:
        now = datetime.now(UTC)
        is_withdrawn = False
        seen = [
            (each.seen_at or stamps.get(each.id) or self._unstamped[each.id], each)
            for each in found
        ]
        reopened = self._reopen(found)
        # By time: that is the order in which they are forgotten.
        for seen_at, each in sorted(seen, key=lambda pair: pair[0]):
            if not each.is_closing:
                for venue in _venues_of(each):
                    key = (each.kind, each.subject, venue)
                    is_withdrawn |= _note(self._withdrawn, key, seen_at)
            elif (
                each.kind is RevokedKind.SESSION
                and each.id > reopened.get(each.subject, 0)
                and _note(self._over, each.subject, seen_at)
            ):
                self._ending.add(each.subject)
        if is_withdrawn:
            self._streams.close_where(
                lambda stream: self._is_hit(stream.principal), CloseReason.TOKEN_REVOKED
            )
        self._remember_place(found, stamps)
        _forget(self._withdrawn, now - KEPT_FOR)
        _forget(self._over, now - CLOSING_KEPT_FOR)

    def _reopen(self, found: Sequence[Revocation]) -> Mapping[str, int]:
        """Forget the closings of reopened sessions; return each one's reopening row.

        The ids of the rows tell the order of a session's closings and reopenings. The times
        do not: they may come from different clocks.
        """
        reopened = {each.subject: each.id for each in found if each.kind is RevokedKind.REOPENED}
        for session_id in reopened:
            self._over.pop(session_id, None)
            self._ending.discard(session_id)
        return reopened

    def _remember_place(self, found: Sequence[Revocation], stamps: Mapping[int, datetime]) -> None:
        if not found:
            return
        before = self._newest.id if self._newest else 0
        last = found[-1]
        if last.id >= before:
            # As the next refresh will find it.
            self._newest = dataclasses.replace(last, seen_at=stamps.get(last.id, last.seen_at))
        newest_id = max(before, last.id)
        watched = range(max(1, newest_id - WATCHED_IDS), newest_id)
        passed = self._missing.union(range(max(before + 1, watched.start), newest_id))
        there = {each.id for each in found}
        self._missing = frozenset(id_ for id_ in passed if id_ in watched and id_ not in there)

    def _end_closed(self) -> None:
        if self._ending:
            # Whatever the venue: the ids of sessions are unique in the deployment.
            endings = tuple(f":session:{session_id}" for session_id in self._ending)
            self._ending = set()
            # All streams of the session, a manager's too: nothing more happens on it.
            self._streams.close_where(
                lambda stream: stream.channel.endswith(endings), CloseReason.SESSION_CLOSED
            )

    def start_over(self) -> None:
        """Forget closed sessions: the database was restored, and some are open again.

        Withdrawn access stays withdrawn in this process, which is the safe side.
        """
        self._newest, self._missing = None, frozenset()
        self._over.clear()
        self._ending.clear()

    def is_revoked(self, principal: Principal) -> bool:
        """Return whether the access of ``principal`` was withdrawn."""
        return bool(self._withdrawn) and self._is_hit(principal)

    def is_over(self, kind: str, channel_id: str) -> bool:
        """Return whether a channel is that of a closed session, so that nothing follows on it.

        The session's guests may still read it through the REST API.
        """
        return kind == "session" and channel_id in self._over

    def _is_hit(self, principal: Principal) -> bool:
        for token_id in principal.token_ids:
            if (RevokedKind.TOKEN, token_id, _ANY_VENUE) in self._withdrawn:
                return True
        kind = _KIND_OF[principal.role]
        venues = (_ANY_VENUE, principal.venue) if kind in BY_VENUE else (_ANY_VENUE,)
        moments = (self._withdrawn.get((kind, principal.subject, venue)) for venue in venues)
        # Tokens say in whole seconds when they were issued. A token from the second of
        # the revocation counts as older, which is the safe side.
        return any(
            revoked_at is not None and principal.issued_at <= revoked_at.timestamp()
            for revoked_at in moments
        )


def _venues_of(revocation: Revocation) -> tuple[str, ...]:
    """Return the venues under which the revocation is noted.

    A token for all venues gives access to each, so it is void whichever venue is named.
    """
    if revocation.kind not in BY_VENUE:
        return (_ANY_VENUE,)
    if revocation.venue_id == ALL_VENUES:
        return (_ANY_VENUE, ALL_VENUES)
    return (revocation.venue_id, ALL_VENUES)


def _note(moments: OrderedDict[Key, datetime], key: Key, moment: datetime) -> bool:
    """Put ``key`` last with its ``moment``; return False if that or a later one is known."""
    known = moments.get(key)
    if known is not None and known >= moment:
        return False
    moments[key] = moment
    moments.move_to_end(key)
    return True


def _forget(moments: OrderedDict[Key, datetime], before: datetime) -> None:
    # From the front: this runs four times a second and must not walk through the rest.
    while moments and next(iter(moments.values())) < before:
        moments.popitem(last=False)
