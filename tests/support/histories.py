"""Reading the histories of a broker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from notifications.brokers.memory.broker import MemoryBroker
from notifications.events.encoding import EventId, StoredEvent

Told = tuple[str, dict[str, Any]]
"""An event's type and its data."""


def parse(event: StoredEvent) -> Told:
    first, second, *_ = event.block.decode().split("\n")
    return first.removeprefix("event: "), json.loads(second.removeprefix("data: "))


class ReadableBroker(MemoryBroker):
    """A memory broker whose published events can be read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._published_on: dict[str, None] = {}

    def publish(self, channels: Sequence[str], event_body: bytes, *, key: str) -> None:
        self._published_on |= dict.fromkeys(channels)
        super().publish(channels, event_body, key=key)

    @property
    def history(self) -> dict[str, list[Told]]:
        """Every channel with events, oldest first."""
        return {name: self.told(name) for name in self._published_on}

    def events(self, channel: str) -> Sequence[StoredEvent]:
        """Return the whole history of ``channel``, oldest first."""
        page = self.read(channel, EventId(self.tip(channel).epoch, 0), 1_000_000)
        assert not page.is_gap, "the history was trimmed"
        return page.events

    def told(self, channel: str, event_type: str | None = None) -> list[Told]:
        """Return the events of ``channel``, those of ``event_type`` if that is given."""
        every = [parse(event) for event in self.events(channel)]
        return [each for each in every if event_type in (None, each[0])]

    def payloads(self, channel: str, event_type: str | None = None) -> list[dict[str, Any]]:
        """Return the data of ``told`` alone."""
        return [data for _, data in self.told(channel, event_type)]
