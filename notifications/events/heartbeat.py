"""``heartbeat``: the server is alive."""

from __future__ import annotations

from typing import ClassVar, Self

from notifications.events.payload import EXAMPLE_MOMENT, Payload, Timestamp


class Heartbeat(Payload):
    """The server is alive. Sent every ``heartbeatSeconds``, without an id."""

    # A named event and not a comment, because JavaScript cannot see comments.
    event_type: ClassVar[str] = "heartbeat"

    timestamp: Timestamp

    @classmethod
    def example(cls) -> Self:
        """Return the event that the documents show."""
        return cls(timestamp=EXAMPLE_MOMENT)
