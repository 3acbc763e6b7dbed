"""What all events about a change on the floor have in common."""

from __future__ import annotations

from abc import abstractmethod

from notifications.events.payload import PublishedEvent


class FloorEvent(PublishedEvent):
    """An event about one change on the floor."""

    @abstractmethod
    def audience(self, venue_id: str) -> tuple[str, ...]:
        """Return the event's channels in the venue where it happened.

        Choosing them is a security decision: each event makes its own.

        The ids come from the change itself, as they were when it happened. So a change from
        before a transfer goes to the previous waiter and one from after it does not, however
        late it is announced.
        """
