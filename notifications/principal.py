"""The verified bearer of a token, which every check of access works with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The values of a token's ``role`` claim."""

    CUSTOMER = "customer"
    WAITER = "waiter"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified bearer. Never holds the token itself.

    ``subject`` is the session's or the waiter's id. ``issued_at`` and
    ``expires_at`` are Unix seconds. ``token_ids`` are the token's own ``jti``
    and that of the token it was made from; revoking either revokes the token.
    ``is_stream_token`` marks a short-lived token that is good for ``/sse/*`` alone.
    """

    role: Role
    subject: str
    expires_at: float
    issued_at: float
    token_ids: tuple[str, ...] = ()
    is_stream_token: bool = False

    @property
    def key(self) -> str:
        """The bearer's key for counting streams and calls, such as ``waiter:anna``."""
        return f"{self.role}:{self.subject}"

    def may_hear(self, kind: str, channel_id: str) -> bool:
        """Return whether this bearer may follow the stream of ``kind``.

        A guest follows their own session, a waiter their own floor, a manager all. This
        does not look up whether the id exists, so the answer does not reveal it.
        """
        if self.role is Role.MANAGER:
            return True
        return _OWN_KIND[self.role] == kind and self.subject == channel_id


#: The kind of a bearer's own stream.
_OWN_KIND = {Role.CUSTOMER: "session", Role.WAITER: "waiter"}
