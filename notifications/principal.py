"""Who is asking: the one shape every check of access works with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a token may say of its bearer, spelled as in its ``role`` claim."""

    CUSTOMER = "customer"
    WAITER = "waiter"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified bearer. Never holds the token itself.

    ``subject`` is the session's or the waiter's id; ``issued_at`` and
    ``expires_at`` are Unix seconds; ``token_ids`` are the token's own ``jti``
    and that of the token it was made from, by either of which it can be
    revoked; ``is_stream_token`` marks a short-lived token that is good for
    ``/sse/*`` alone.
    """

    role: Role
    subject: str
    expires_at: float
    issued_at: float
    token_ids: tuple[str, ...] = ()
    is_stream_token: bool = False

    @property
    def key(self) -> str:
        """One text per bearer, for counting its streams: ``waiter:anna``."""
        return f"{self.role}:{self.subject}"

    def may_hear(self, kind: str, channel_id: str) -> bool:
        """Whether this bearer may follow the stream of ``kind`` (session, waiter).

        A guest hears the own session, a waiter the own floor, a manager all.
        Whether the id exists is not asked, so no answer tells.
        """
        if self.role is Role.MANAGER:
            return True
        owns = Role.CUSTOMER if kind == "session" else Role.WAITER
        return self.role is owns and self.subject == channel_id
