"""What this process knows of withdrawn access and closed sessions, and the streams it ends."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from notifications.principal import Principal, Role
from notifications.registry import channel_name
from notifications.stream import CloseReason, Stream
from waiter_service.revocations import CLOSING_KEPT_FOR, KEPT_FOR, Revocation, RevokedKind

#: Each look goes back this far behind the newest it has seen: on PostgreSQL a
#: transaction may be committed some time after the moment it wrote down.
OVERLAP = timedelta(seconds=30)

#: By which kind all that a bearer holds is withdrawn. A waiter and a manager may have
#: the same id and be two people.
_KIND_OF = {
    Role.CUSTOMER: RevokedKind.SESSION,
    Role.WAITER: RevokedKind.WAITER,
    Role.MANAGER: RevokedKind.MANAGER,
}

CloseStreams = Callable[[Callable[[Stream], bool], CloseReason], object]

Key = TypeVar("Key")


class RevocationList:
    """Answers whether access still stands, from memory.

    ``since`` reads the store. :meth:`refresh`, called a few times a second,
    brings what is new and ends the streams it concerns: at once where access
    was withdrawn, and at the next call where a session was closed. Between the
    two the outbox is flushed (:class:`OutboxPump`), and the guests hear of the
    last change before they are shown out.
    """

    def __init__(
        self, since: Callable[[datetime], list[Revocation]], close_streams: CloseStreams
    ) -> None:
        self._since = since
        self._close_streams = close_streams
        self._seen_until: datetime | None = None
        # When access was last withdrawn, oldest first; the times before say no more.
        self._withdrawn: OrderedDict[tuple[RevokedKind, str], datetime] = OrderedDict()
        # The channels of closed sessions, and when, likewise. Apart, since that
        # withdraws nobody's access, and there are thousands a day.
        self._over: OrderedDict[str, datetime] = OrderedDict()
        # Those of them whose streams are to end at the next look.
        self._ending: set[str] = set()

    def refresh(self) -> None:
        """Read what is new and close the streams it concerns.

        May switch greenlets while it reads.

        Raises:
            DatabaseError: nothing was read; what is known stands.
        """
        self._end_closed()
        now = datetime.now(UTC)
        start = now - KEPT_FOR if self._seen_until is None else self._seen_until - OVERLAP
        is_withdrawn = False
        for revocation in self._since(start):
            if revocation.is_closing:
                channel = channel_name("session", revocation.subject)
                if _note(self._over, channel, revocation.revoked_at):
                    self._ending.add(channel)
            else:
                key = (revocation.kind, revocation.subject)
                is_withdrawn |= _note(self._withdrawn, key, revocation.revoked_at)
        self._seen_until = now
        if is_withdrawn:
            self._close_streams(
                lambda stream: self._is_hit(stream.principal), CloseReason.TOKEN_REVOKED
            )
        _forget(self._withdrawn, now - KEPT_FOR)
        _forget(self._over, now - CLOSING_KEPT_FOR)

    def _end_closed(self) -> None:
        if self._ending:
            ending, self._ending = self._ending, set()
            # A manager who looks on has nothing more to see there either.
            self._close_streams(lambda stream: stream.channel in ending, CloseReason.SESSION_CLOSED)

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
