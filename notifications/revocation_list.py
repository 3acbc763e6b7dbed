"""What this process knows of withdrawn access and closed sessions, and the streams it ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from notifications.principal import Principal, Role
from notifications.registry import channel_name
from notifications.stream import CloseReason, Stream
from waiter_service.revocations import KEPT_FOR, Revocation, RevokedKind

#: Each look goes back this far behind the newest it has seen: on PostgreSQL a
#: transaction may be committed some time after the moment it wrote down.
OVERLAP = timedelta(seconds=30)

CloseStreams = Callable[[Callable[[Stream], bool], CloseReason], object]


class RevocationList:
    """Answers whether access still stands, from memory.

    ``since`` reads the store. :meth:`refresh`, called a few times a second,
    brings what is new and ends the streams it concerns.
    """

    def __init__(
        self, since: Callable[[datetime], list[Revocation]], close_streams: CloseStreams
    ) -> None:
        self._since = since
        self._close_streams = close_streams
        self._seen_until: datetime | None = None
        # The newest of each thing; the earlier ones say no more. Apart by whether
        # the session was closed, which withdraws nobody's access.
        self._newest: dict[tuple[RevokedKind, str, bool], Revocation] = {}

    def refresh(self) -> None:
        """Read what is new and close the streams whose access it withdraws.

        May switch greenlets while it reads.

        Raises:
            DatabaseError: nothing was read; what is known stands.
        """
        now = datetime.now(UTC)
        start = now - KEPT_FOR if self._seen_until is None else self._seen_until - OVERLAP
        for revocation in self._since(start):
            key = (revocation.kind, revocation.subject, revocation.is_closing)
            if self._newest.get(key) == revocation:
                continue
            self._newest[key] = revocation
            self._close(revocation)
        self._seen_until = now
        self._forget_old(now - KEPT_FOR)

    def _close(self, revocation: Revocation) -> None:
        if not revocation.is_closing:
            self._close_streams(
                lambda stream: self._is_hit(stream.principal), CloseReason.TOKEN_REVOKED
            )
            return
        # A manager who looks on has nothing more to see there either.
        channel = channel_name("session", revocation.subject)
        self._close_streams(lambda stream: stream.channel == channel, CloseReason.SESSION_CLOSED)

    def is_revoked(self, principal: Principal) -> bool:
        """Return whether the access of ``principal`` was withdrawn."""
        return bool(self._newest) and self._is_hit(principal)

    def is_over(self, kind: str, channel_id: str) -> bool:
        """Return whether a channel carries nothing any more: that of a session that was closed.

        Whoever holds its token may still read what was, at the REST API.
        """
        return kind == "session" and (RevokedKind.SESSION, channel_id, True) in self._newest

    def _is_hit(self, principal: Principal) -> bool:
        for token_id in principal.token_ids:
            if (RevokedKind.TOKEN, token_id, False) in self._newest:
                return True
        kind = RevokedKind.SESSION if principal.role is Role.CUSTOMER else RevokedKind.WAITER
        revocation = self._newest.get((kind, principal.subject, False))
        # Tokens say when they were issued in whole seconds. One from the very
        # second of the revocation is taken for older: better twice than never.
        return revocation is not None and (principal.issued_at <= revocation.revoked_at.timestamp())

    def _forget_old(self, before: datetime) -> None:
        old = [key for key, each in self._newest.items() if each.revoked_at < before]
        for key in old:
            del self._newest[key]
