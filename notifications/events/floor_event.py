"""What the events that a change on the floor makes have in common."""

from __future__ import annotations

from abc import abstractmethod

from notifications.events.payload import PublishedEvent


class FloorEvent(PublishedEvent):
    """An event that tells of one change on the floor."""

    @property
    @abstractmethod
    def audience(self) -> tuple[str, ...]:
        """The channels it goes to. This is a security decision: one per event.

        The ids come from the change itself, as they were when it happened. So a change from
        before a transfer goes to the former waiter and one from after it does not, however
        late it is announced.
        """
