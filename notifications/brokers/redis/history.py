"""Each channel's history, as it lies in Redis."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from notifications.brokers.base import HistoryLimits, Page
from notifications.events import EventId, StoredEvent
from notifications.redis import scripts
from notifications.redis.keys import RedisKeys
from notifications.redis.link import Call, RedisLink


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a channel, and its newest event's id at that moment."""

    page: Page
    tip: EventId


class RedisHistory:
    """Appends to histories and reads them.

    Every method switches greenlets, and raises ``BrokerUnavailable``.
    """

    def __init__(
        self,
        link: RedisLink,
        keys: RedisKeys,
        limits: HistoryLimits,
        *,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        self._link = link
        self._keys = keys
        self._new_epoch = new_epoch
        self.keep_seconds = limits.keep_seconds
        self._limits = (
            limits.max_events,
            round(limits.max_age_seconds * 1000),
            limits.max_bytes,
            round(self.keep_seconds * 1000),
        )

    def publish(self, channels: Sequence[str], event_body: bytes, key: str) -> None:
        """Append to each channel that does not have ``key``, and tell who listens."""
        self._link.call(
            *(
                Call(
                    scripts.PUBLISH,
                    self._keys.history(channel),
                    [*self._channel_args(), key, event_body, self._keys.live(channel)],
                )
                for channel in channels
            )
        )

    def tips(self, channels: Iterable[str]) -> list[EventId]:
        """Return each channel's newest id, and keep its epoch alive."""
        replies = self._link.call(
            *(
                Call(scripts.TIP, self._keys.history(channel)[:2], self._channel_args())
                for channel in channels
            )
        )
        return [EventId(epoch.decode(), offset) for epoch, offset in replies]

    def known_tip(self, channel: str) -> EventId | None:
        """Return a channel's newest id, and keep its epoch alive; None where it has none."""
        (reply,) = self._link.call(
            Call(scripts.KNOWN_TIP, self._keys.history(channel)[:2], self._channel_args())
        )
        return EventId(reply[0].decode(), reply[1]) if reply else None

    def read(self, places: Iterable[tuple[str, EventId]], limit: int) -> list[Reading]:
        """Return up to ``limit`` events that followed each place."""
        replies = self._link.call(
            *(
                Call(
                    scripts.READ,
                    self._keys.history(channel)[:2],
                    [*self._channel_args(), after.epoch, after.offset, limit],
                )
                for channel, after in places
            )
        )
        return [_reading(after, reply) for (_, after), reply in zip(places, replies, strict=True)]

    def _channel_args(self) -> list[str | int]:
        return [self._new_epoch(), *self._limits]


def _reading(after: EventId, reply: Any) -> Reading:
    raw_epoch, offset, is_known, bodies = reply
    epoch = raw_epoch.decode()
    events = [
        StoredEvent(epoch, after.offset + number, event_body)
        for number, event_body in enumerate(bodies, 1)
    ]
    return Reading(Page(events, is_gap=not is_known), EventId(epoch, offset))
