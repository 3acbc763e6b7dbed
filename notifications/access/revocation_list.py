"""What this process knows of withdrawn access and closed sessions, and the streams it ends."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from notifications.channels import channel_name
from notifications.principal import Principal, Role
from notifications.streams.stream import CloseReason, Stream
from waiter_service.revocations import CLOSING_KEPT_FOR, KEPT_FOR, Revocation, RevokedKind

#: So many ids below the newest are asked for again while no row has them: on PostgreSQL a
#: transaction may commit after a hundred others that got later ids. Those that were
#: rolled back stay in the question, which is why they are not more.
WATCHED_IDS = 100

#: By which kind all that a bearer holds is withdrawn. A waiter and a manager may have
#: the same id and be two people.
_KIND_OF = {
    Role.CUSTOMER: RevokedKind.SESSION,
    Role.WAITER: RevokedKind.WAITER,
    Role.MANAGER: RevokedKind.MANAGER,
}

CloseStreams = Callable[[Callable[[Stream], bool], CloseReason], object]

Key = TypeVar("Key")


class Store(Protocol):
    """What is asked of the database; :class:`waiter_service.revocations.Revocations` answers."""

    def find(self, newest: int = 0, missing: Collection[int] = ()) -> list[Revocation]: ...
    def stamp(self, ids: Sequence[int]) -> dict[int, datetime]: ...


class RevocationList:
    """Answers whether access still stands, from memory.

    :meth:`refresh`, called a few times a second, brings what is new and ends the
    streams it concerns: at once where access was withdrawn, and at the next call
    where a session was closed. Between the two the outbox is flushed
    (``publishing/relay.py``), and the guests hear of the last change before their
    streams end.
    """

    def __init__(self, store: Store, close_streams: CloseStreams) -> None:
        self._store = store
        self._close_streams = close_streams
        # The row with the highest id. It is read again with each look: once it is gone, or
        # another, rows were pruned or the database was restored, and all is read again.
        self._newest: Revocation | None = None
        # Ids below it that no row had so far.
        self._missing: frozenset[int] = frozenset()
        # What could not be stamped yet, and when it was first seen here.
        self._unstamped: dict[int, datetime] = {}
        # When access was last withdrawn, oldest first; the times before say no more.
        self._withdrawn: OrderedDict[tuple[RevokedKind, str], datetime] = OrderedDict()
        # The channels of closed sessions, and when, likewise. Apart, since that
        # withdraws nobody's access, and there are thousands a day.
        self._over: OrderedDict[str, datetime] = OrderedDict()
        # Those of them whose streams are to end at the next look.
        self._ending: set[str] = set()

    def refresh(self) -> None:
        """Read what is new, stamp it and close the streams it concerns.

        May switch greenlets while it reads and writes.

        Raises:
            DatabaseError: nothing was read, and what is known stands; or it was read, and
                has its effect here, but could not be stamped, which the next call tries again.
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
        """Read what is new; all of it, if what was newest is no longer there."""
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
        reopened = self._let_go_on(found)
        # In the order in which they are forgotten.
        for seen_at, each in sorted(seen, key=lambda pair: pair[0]):
            if not each.is_closing:
                is_withdrawn |= _note(self._withdrawn, (each.kind, each.subject), seen_at)
            elif each.kind is RevokedKind.SESSION and each.id > reopened.get(each.subject, 0):
                channel = channel_name("session", each.subject)
                if _note(self._over, channel, seen_at):
                    self._ending.add(channel)
        if is_withdrawn:
            self._close_streams(
                lambda stream: self._is_hit(stream.principal), CloseReason.TOKEN_REVOKED
            )
        self._remember_place(found, stamps)
        _forget(self._withdrawn, now - KEPT_FOR)
        _forget(self._over, now - CLOSING_KEPT_FOR)

    def _let_go_on(self, found: Sequence[Revocation]) -> Mapping[str, int]:
        """Forget that sessions were closed that were reopened; return the ids of those rows.

        A session's closings and reopenings come in the order of their ids; the clocks
        that stamped them may differ.
        """
        reopened = {each.subject: each.id for each in found if each.kind is RevokedKind.REOPENED}
        for session_id in reopened:
            channel = channel_name("session", session_id)
            self._over.pop(channel, None)
            self._ending.discard(channel)
        return reopened

    def _remember_place(self, found: Sequence[Revocation], stamps: Mapping[int, datetime]) -> None:
        if not found:
            return
        before = self._newest.id if self._newest else 0
        last = found[-1]
        if last.id >= before:
            # As the next look will find it.
            self._newest = dataclasses.replace(last, seen_at=stamps.get(last.id, last.seen_at))
        newest_id = max(before, last.id)
        watched = range(max(1, newest_id - WATCHED_IDS), newest_id)
        passed = self._missing.union(range(max(before + 1, watched.start), newest_id))
        there = {each.id for each in found}
        self._missing = frozenset(id_ for id_ in passed if id_ in watched and id_ not in there)

    def _end_closed(self) -> None:
        if self._ending:
            ending, self._ending = self._ending, set()
            # A manager who looks on has nothing more to see there either.
            self._close_streams(lambda stream: stream.channel in ending, CloseReason.SESSION_CLOSED)

    def start_over(self) -> None:
        """The database went back: sessions closed since then are open again.

        What was withdrawn stays so in this process: better twice than never.
        """
        self._newest, self._missing = None, frozenset()
        self._over.clear()
        self._ending.clear()

    def is_revoked(self, principal: Principal) -> bool:
        """Return whether the access of ``principal`` was withdrawn."""
        return bool(self._withdrawn) and self._is_hit(principal)

    def is_over(self, kind: str, channel_id: str) -> bool:
        """Return whether nothing new follows on a channel: that of a session that was closed.

        Whoever holds its token may still read what was, at the REST API.
        """
        return channel_name(kind, channel_id) in self._over

    def _is_hit(self, principal: Principal) -> bool:
        for token_id in principal.token_ids:
            if (RevokedKind.TOKEN, token_id) in self._withdrawn:
                return True
        revoked_at = self._withdrawn.get((_KIND_OF[principal.role], principal.subject))
        # Tokens say when they were issued in whole seconds. One from the very
        # second of the revocation is taken for older: better twice than never.
        return revoked_at is not None and principal.issued_at <= revoked_at.timestamp()


def _note(moments: OrderedDict[Key, datetime], key: Key, moment: datetime) -> bool:
    """Put ``key`` last with its ``moment``; return False where that is known, or a later one."""
    known = moments.get(key)
    if known is not None and known >= moment:
        return False
    moments[key] = moment
    moments.move_to_end(key)
    return True


def _forget(moments: OrderedDict[Key, datetime], before: datetime) -> None:
    # From the front, four times a second: never a walk through what stays.
    while moments and next(iter(moments.values())) < before:
        moments.popitem(last=False)
