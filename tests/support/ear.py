"""A sink that records what it receives, and checks the broker's promises."""

from __future__ import annotations

from collections import defaultdict

from notifications.events.encoding import EventId, StoredEvent


class Ear:
    """Receives what the streams of one process would receive.

    Fails if a broker breaks its promise: within a channel offsets
    rise by one, except after a resync.
    """

    def __init__(self) -> None:
        self.events: dict[str, list[StoredEvent]] = defaultdict(list)
        self.resyncs: list[tuple[str, EventId]] = []
        self.broken_promises: list[str] = []
        self._places: dict[str, EventId] = {}

    def deliver(self, channel: str, event: StoredEvent) -> None:
        place = self._places.get(channel)
        if place and (event.epoch != place.epoch or event.offset != place.offset + 1):
            self.broken_promises.append(f"{channel}: {event.event_id} after {place}")
        self._places[channel] = event.event_id
        self.events[channel].append(event)

    def resync(self, channel: str, tip: EventId) -> None:
        self._places[channel] = tip
        self.resyncs.append((channel, tip))

    def offsets(self, channel: str) -> list[int]:
        """Return the offsets received on ``channel``, in order."""
        return [event.offset for event in self.events[channel]]

    def forget(self, channel: str) -> None:
        """Accept any next offset on ``channel``, which was unsubscribed for a while."""
        self._places.pop(channel, None)
