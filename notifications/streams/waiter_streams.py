"""How many streams each waiter has open in this process, for the floor of the venue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from notifications.channels import split_channel


class WaiterStreams:
    """Counts the open streams of waiters, by venue. Kept up to date as streams come and go."""

    def __init__(self) -> None:
        self._by_venue: dict[str, Counter[str]] = {}
        self._changed: set[str] = set()

    def opened(self, channel: str) -> None:
        """Count one more stream, if it is a waiter's."""
        venue_id, kind, waiter_id = split_channel(channel)
        if kind == "waiter":
            self._by_venue.setdefault(venue_id, Counter())[waiter_id] += 1
            self._changed.add(venue_id)

    def closed(self, channel: str) -> None:
        """Count one stream less, if it is a waiter's."""
        venue_id, kind, waiter_id = split_channel(channel)
        if kind != "waiter":
            return
        counts = self._by_venue[venue_id]
        counts[waiter_id] -= 1
        if not counts[waiter_id]:
            del counts[waiter_id]
        if not counts:
            del self._by_venue[venue_id]
        self._changed.add(venue_id)

    def of_venue(self, venue_id: str) -> Mapping[str, int]:
        """Return how many streams each waiter of a venue has, without those who have none."""
        return self._by_venue.get(venue_id, {})

    @property
    def venues(self) -> Collection[str]:
        """The venues whose waiters have streams here."""
        return self._by_venue.keys()

    def take_changed(self) -> set[str]:
        """Return the venues whose counts changed since the last call."""
        changed, self._changed = self._changed, set()
        return changed
