"""Who calls the API, and when a call has its turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType

from notifications.entrance.call_queue import CallQueue
from notifications.entrance.entrance import StreamEntrance
from notifications.principal import Role
from waiter_service.actors import Actor

_ACTOR_OF: Mapping[Role, Callable[[str], Actor]] = MappingProxyType(
    {
        Role.CUSTOMER: Actor.guest,
        Role.WAITER: Actor.waiter,
        Role.MANAGER: Actor.manager,
    }
)


class Access:
    """Lets callers in, by the tokens and within the limits that the streams have too."""

    def __init__(self, entrance: StreamEntrance) -> None:
        self._entrance = entrance
        self._queue = CallQueue()

    def actor_of(self, token: str | None, address: str, *, is_change: bool) -> Actor:
        """Return who acts on the floor with ``token``, and count the call.

        Raises:
            NotAuthenticated: no token, or none that is good; counted by ``address``.
            NotAllowed: it is a token for streams.
            TooManyCalls: too many within a minute, of this bearer or from ``address``.
        """
        principal = self._entrance.full_bearer(token, address, is_change=is_change)
        return _ACTOR_OF[principal.role](principal.subject)

    def turn(self, actor: Actor, *, is_change: bool) -> AbstractContextManager[None]:
        """Wait until a call of ``actor`` may be carried out. May switch greenlets.

        Raises:
            TooManyCalls: too many of their calls are waiting, or this one waits too long.
        """
        # Two queues: a change may wait for a lock in the database, and reads go on meanwhile.
        return self._queue.turn(f"{actor} {'changes' if is_change else 'reads'}")
