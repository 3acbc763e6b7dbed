"""Who calls the API, and when a call has its turn."""

from __future__ import annotations

from contextlib import AbstractContextManager

from notifications.entrance.call_queue import CallQueue
from notifications.entrance.entrance import StreamEntrance
from notifications.errors import NotAllowed
from notifications.principal import Principal, Role
from waiter_service.actors import Actor


class Access:
    """Lets callers in, by the tokens and within the limits that the streams have too."""

    def __init__(self, entrance: StreamEntrance) -> None:
        self._entrance = entrance
        self._queue = CallQueue()

    def actor_of(self, token: str | None, address: str, *, is_change: bool) -> Actor:
        """Return who acts on the floor with ``token``, and count the call.

        Raises:
            NotAuthenticated: no token, or none that is good; counted by ``address``.
            NotAllowed: it is a token for streams, or names a venue that is not the bearer's.
            DatabaseError: the waiter's venue must be read, and the database does not answer.
            TooManyCalls: too many within a minute, of this bearer or from ``address``.
        """
        principal = self._entrance.full_bearer(token, address, is_change=is_change)
        self._entrance.venues.require_own_venue(principal)
        return _actor(principal)

    def turn(self, actor: Actor, *, is_change: bool) -> AbstractContextManager[None]:
        """Wait until a call of ``actor`` may be carried out. May switch greenlets.

        Raises:
            TooManyCalls: too many of their calls are waiting, or this one waits too long.
        """
        # Two queues: a change may wait for a lock in the database, and reads go on meanwhile.
        kind = "changes" if is_change else "reads"
        return self._queue.turn(f"{actor.key} {kind}")


def _actor(principal: Principal) -> Actor:
    match principal.role:
        case Role.CUSTOMER:
            return Actor.guest(principal.subject)
        case Role.WAITER:
            return Actor.waiter(principal.subject)
        case Role.MANAGER:
            return Actor.manager(principal.subject, principal.venue)
        case Role.KITCHEN:
            return Actor.kitchen(principal.subject)
        case Role.DISPLAY:
            return Actor.display(principal.subject)
        case Role.SERVICE:
            raise NotAllowed("A service acts on no floor.")
