"""Each channel's history in Redis; ``lua/channel.lua`` says how it is stored."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from notifications.brokers.base import KEY_SECONDS, HistoryLimits, Page
from notifications.channels import KINDS, channel_kind, channel_name
from notifications.events.encoding import EventId, StoredEvent
from notifications.redis.connection import Word
from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from notifications.redis.script import Call, Script
from notifications.redis.server import STATE_MS
from waiter_service.actors import MAIN_VENUE

PUBLISH = Script.load(__file__, "channel", "publish")
TIP = Script.load(__file__, "channel", "tip")
KNOWN_TIP = Script.load(__file__, "channel", "known_tip")
READ = Script.load(__file__, "channel", "read")
REMEMBERED = Script.load(__file__, "remembered")
REMEMBER = Script.load(__file__, "remember")


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
        self._times_ms = round(limits.max_age_seconds * 1000), round(self.keep_seconds * 1000)
        self._key_ms = round(min(KEY_SECONDS, self.keep_seconds) * 1000)
        of_kind = {kind: limits.of(channel_name(MAIN_VENUE, kind, "any")) for kind in KINDS}
        self._sizes = {kind: (each.max_events, each.max_bytes) for kind, each in of_kind.items()}

    def publish(self, channels: Sequence[str], event_body: bytes, key: str) -> None:
        """Append to each channel that does not have ``key``, and publish it: one round trip.

        One script does it for all channels, so all of them get the event or none does.
        """
        keys: list[str] = []
        args = [*self._shared_args(), key, event_body, self._key_ms]
        for channel in channels:
            keys += self._keys.history(channel)
            args += [self._keys.live(channel), *self._sizes_of(channel)]
        self._link.call(Call(PUBLISH, keys, args))

    def tips(self, channels: Iterable[str]) -> list[EventId]:
        """Return each channel's newest id, and keep its epoch alive."""
        replies = self._link.call(
            *(
                Call(TIP, self._keys.history(channel)[:2], self._shared_args())
                for channel in channels
            )
        )
        return [EventId(epoch.decode(), offset) for epoch, offset in replies]

    def known_tip(self, channel: str) -> EventId | None:
        """Return a channel's newest id, and keep its epoch alive; None where it has none."""
        (reply,) = self._link.call(
            Call(KNOWN_TIP, self._keys.history(channel)[:1], self._shared_args())
        )
        return EventId(reply[0].decode(), reply[1]) if reply else None

    def read(self, places: Iterable[tuple[str, EventId]], limit: int) -> list[Reading]:
        """Return up to ``limit`` events that followed each place."""
        replies = self._link.call(
            *(
                Call(
                    READ,
                    self._keys.history(channel)[:2],
                    [
                        *self._shared_args(),
                        after.epoch,
                        after.offset,
                        limit,
                        *self._sizes_of(channel),
                    ],
                )
                for channel, after in places
            )
        )
        return [_reading(after, reply) for (_, after), reply in zip(places, replies, strict=True)]

    def remembered(self) -> str | None:
        """Return what is remembered with the histories."""
        ((generation, text),) = self._link.call(Call(REMEMBERED, [self._keys.state]))
        self._link.generation.rise_to(generation)
        return None if text is None else str(text.decode())

    def remember(self, text: str, *, instead_of: str | None, ends_histories: bool) -> None:
        """Remember ``text`` unless what is remembered is no longer ``instead_of``."""
        args: list[Word] = [text, instead_of or "", int(ends_histories), STATE_MS]
        (generation,) = self._link.call(Call(REMEMBER, [self._keys.state], args))
        self._link.generation.rise_to(generation)

    def _sizes_of(self, channel: str) -> tuple[int, int]:
        return self._sizes[channel_kind(channel)]

    def _shared_args(self) -> list[Word]:
        return [self._new_epoch(), *self._times_ms]


def _reading(after: EventId, reply: Any) -> Reading:
    raw_epoch, offset, is_known, bodies = reply
    epoch = raw_epoch.decode()
    events = [
        StoredEvent(epoch, after.offset + number, event_body)
        for number, event_body in enumerate(bodies, 1)
    ]
    return Reading(Page(events, is_gap=not is_known), EventId(epoch, offset))
