"""The verified bearer of a token, which every check of access works with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from waiter_service.actors import ALL_VENUES, MAIN_VENUE


class Role(StrEnum):
    """The values of a token's ``role`` claim."""

    CUSTOMER = "customer"
    WAITER = "waiter"
    MANAGER = "manager"
    KITCHEN = "kitchen"
    DISPLAY = "display"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified bearer. Never holds the token itself.

    ``subject`` is the id of a session, a waiter, a manager or a service; that of a kitchen or a
    display is its venue. ``venue`` is the venue that the token names, or ``ALL_VENUES``. A
    guest's means nothing. ``issued_at`` and ``expires_at`` are Unix seconds. ``token_ids`` are
    the token's own ``jti`` and that of the token it was made from; revoking either revokes the
    token. ``is_stream_token`` marks a short-lived token that is good for ``/sse/*`` alone.
    """

    role: Role
    subject: str
    expires_at: float
    issued_at: float
    token_ids: tuple[str, ...] = ()
    is_stream_token: bool = False
    venue: str = MAIN_VENUE

    @property
    def key(self) -> str:
        """The bearer's key for counting streams and calls.

        It is ``waiter:anna``, or ``north/waiter:carla`` if the token names another venue than
        ``main``: two venues may each have a manager with the same id.
        """
        key = f"{self.role}:{self.subject}"
        return key if self.venue == MAIN_VENUE else f"{self.venue}/{key}"

    @property
    def own_stream(self) -> tuple[str, str] | None:
        """The kind and the id of the bearer's own stream; None for managers and services."""
        kind = _OWN_KIND.get(self.role)
        return None if kind is None else (kind, self.subject)

    def may_hear(self, kind: str, channel_id: str, venue_id: str) -> bool:
        """Return whether this bearer may follow the stream of ``kind`` in ``venue_id``.

        Guests, waiters, kitchens and displays follow their own stream, and managers all
        streams of their venue. This does not look up whether the id exists, so the answer does
        not reveal it.
        """
        if self.role is Role.MANAGER:
            return self.venue in (venue_id, ALL_VENUES)
        is_in_venue = self.role is Role.CUSTOMER or self.venue == venue_id
        return is_in_venue and self.own_stream == (kind, channel_id)


_OWN_KIND = {
    Role.CUSTOMER: "session",
    Role.WAITER: "waiter",
    Role.KITCHEN: "kitchen",
    Role.DISPLAY: "floor",
}
