"""One connection in pub/sub mode: what Redis was told, and what it has confirmed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from gevent.event import Event

from notifications.redis.connection import RedisConnection

#: Names in one command, so that Redis is never held up by one of them.
NAMES_PER_COMMAND = 500


@dataclass(frozen=True, slots=True)
class Message:
    """What was published on ``name``."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Everything published on ``name`` from now on is heard."""

    name: str


class RedisPubSub:
    """Subscribes an open connection to names as they are wanted, and returns what comes in.

    One greenlet reads (``receive``), another writes (``write_forever``), so that neither
    waits for the other. Many wishes in one turn of the event loop become one command.

    Rejected: redis-py's own ``PubSub``. It reconnects and subscribes again without telling,
    so we would not know that there is a gap to read from the history.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        #: Whether a greenlet waits in ``receive`` for Redis to send something.
        self.is_waiting = False
        #: How many times Redis has sent something.
        self.received = 0
        # Wishes not yet sent, in their order; the names that Redis was told; and how many
        # of its confirmations are still to come, by name.
        self._wishes: dict[str, bool] = {}
        self._has_wishes = Event()
        self._sent: set[str] = set()
        self._unconfirmed: Counter[str] = Counter()

    def close(self) -> None:
        """Close the connection; greenlets that read or write get an error. Idempotent."""
        self._connection.close()

    def want(self, name: str, is_wanted: bool = True) -> None:
        """Have ``name`` subscribed, or unsubscribed, soon. Never switches."""
        self._wishes[name] = is_wanted
        self._has_wishes.set()

    def is_confirmed(self, name: str) -> bool:
        """Return whether everything published on ``name`` from now on is heard."""
        return name in self._sent and not self._unconfirmed[name]

    def write_forever(self) -> None:
        """Send wishes as they come, until the connection fails."""
        while True:
            self._has_wishes.wait()
            self._has_wishes.clear()
            wishes, self._wishes = self._wishes, {}
            self._send(
                "SUBSCRIBE", [n for n, wanted in wishes.items() if wanted and n not in self._sent]
            )
            self._send(
                "UNSUBSCRIBE", [n for n, wanted in wishes.items() if not wanted and n in self._sent]
            )

    def _send(self, command: str, names: list[str]) -> None:
        for start in range(0, len(names), NAMES_PER_COMMAND):
            some = names[start : start + NAMES_PER_COMMAND]
            self._unconfirmed.update(some)
            if command == "SUBSCRIBE":
                self._sent.update(some)
            else:
                self._sent.difference_update(some)
            self._connection.send([[command, *some]])

    def receive(self) -> Message | Confirmation | None:
        """Wait for what comes next; None is nothing to act on.

        Raises:
            redis.RedisError, OSError: the connection was lost or closed.
        """
        # No timeout: silence is normal here, and a probe finds a connection that is deaf.
        self.is_waiting = True
        try:
            reply: Any = self._connection.receive_some_time()
        finally:
            self.is_waiting = False
        self.received += 1
        kind, raw_name, data = reply
        name = raw_name.decode()
        if kind == b"message":
            return Message(name, data)
        if kind in (b"subscribe", b"unsubscribe"):
            self._unconfirmed[name] -= 1
            if not self._unconfirmed[name]:
                del self._unconfirmed[name]
            if self.is_confirmed(name):
                return Confirmation(name)
        return None
