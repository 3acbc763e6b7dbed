"""Batches that several workers share, in Redis; ``lua/batches.lua`` says how they are stored.

A channel has one batch, whichever worker its triggers come through, and a worker that
dies leaves its batches to the others. All times are those of Redis's clock, which each
worker learns whenever it leases what is due: the clocks of their machines may differ.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from notifications.events.cache_refresh import AffectedData
from notifications.redis.connection import Word
from notifications.redis.keys import RedisKeys
from notifications.redis.link import RedisLink
from notifications.redis.script import Call, Script
from notifications.refresh.batch import MAX_AFFECTED_IDS, MAX_REASONS, Batch
from notifications.refresh.batch_store import LEASE_SECONDS
from notifications.refresh.trigger import Priority, Trigger

# A worker knows when its own batches are due. It looks this often for those of a worker
# that died, with two quick scripts.
POLL_SECONDS = 0.5

ADD = Script.load(__file__, "batches", "add")
LEASE_DUE = Script.load(__file__, "batches", "lease_due")
LEASE_CHANNEL = Script.load(__file__, "batches", "lease_channel")
DONE = Script.load(__file__, "batches", "done")
POSTPONE = Script.load(__file__, "batches", "postpone")
WAITING = Script.load(__file__, "waiting")
CHANNELS = Script.load(__file__, "channels")

_PRIORITIES = tuple(Priority)
_NAMES = tuple(field.name for field in fields(Batch))


class RedisBatches:
    """The batches of all workers that use the same Redis and the same prefix.

    See :class:`notifications.refresh.batch_store.BatchStore`. Every method but the
    properties waits for Redis, so it switches greenlets, and raises
    ``BrokerUnavailable`` if Redis is away. A call that failed may have been carried out.
    """

    poll_seconds: float | None = POLL_SECONDS

    def __init__(
        self, link: RedisLink, keys: RedisKeys, *, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self._link = link
        self._keys = keys.batches
        self._lease_ms = _ms(lease_seconds)
        # How far Redis's clock is ahead of our monotonic one; a guess until Redis has told us.
        self._ahead_seconds = time.time() - time.monotonic()

    def clock(self) -> float:
        """Return what Redis's clock says, in seconds since 1970, as far as we know."""
        return time.monotonic() + self._ahead_seconds

    def add(self, channel: str, trigger: Trigger, now: float) -> float:
        return self.add_all([(channel, trigger)], now)

    def add_all(self, additions: Sequence[tuple[str, Trigger]], now: float) -> float:
        # A channel's triggers are joined here already: a status change brings two for each
        # channel, and Redis, which all workers share, then has half as many to take in.
        opened: dict[str, Batch] = {}
        for channel, trigger in additions:
            batch = opened.get(channel)
            opened[channel] = (
                batch.joined_by(trigger, now) if batch else Batch.opened(channel, trigger, now)
            )
        batches = json.dumps([_fields(batch) for batch in opened.values()])
        return float(self._run(ADD, batches, MAX_AFFECTED_IDS, MAX_REASONS)) / 1000

    def lease_due(
        self, now: float, limit: int, without_venues: Collection[str] = ()
    ) -> list[Batch]:
        asked_at = time.monotonic()
        redis_ms, *found = self._run(LEASE_DUE, _ms(now), self._lease_ms, limit, *without_venues)
        self._ahead_seconds = redis_ms / 1000 - asked_at
        return [_load(each) for each in found]

    def lease_channel(self, channel: str, now: float) -> Batch | None:
        found = self._run(LEASE_CHANNEL, channel, _ms(now), self._lease_ms)
        return _load(found) if found else None

    def channels(self) -> list[str]:
        return list(dict.fromkeys(name.decode() for name in self._run(CHANNELS)))

    def done(self, *batches: Batch) -> None:
        self._run(DONE, *(word for batch in batches for word in (batch.channel, batch.id)))

    def postpone(self, batch: Batch, until: float) -> None:
        self._run(POSTPONE, batch.channel, batch.id, _ms(until))

    def next_due(self) -> float | None:
        _, *first = self._run(WAITING)
        return float(first[0]) / 1000 if first else None

    def pending(self) -> int:
        waiting, *_ = self._run(WAITING)
        return int(waiting)

    def _run(self, script: Script, *args: Word) -> Any:
        (answer,) = self._link.call(Call(script, self._keys, args))
        return answer


def _ms(seconds: float) -> int:
    # Whole milliseconds: Lua's JSON keeps 14 digits, and the time of day has 13.
    return round(seconds * 1000)


def _fields(batch: Batch) -> dict[str, Any]:
    values = {name: getattr(batch, name) for name in _NAMES}
    values["rank"] = _PRIORITIES.index(values.pop("priority"))
    for name in ("first", "due", "latest"):
        values[f"{name}_ms"] = _ms(values.pop(f"{name}_at"))
    return values


def _load(stored: bytes) -> Batch:
    values = json.loads(stored)
    values.pop("is_postponed")
    values["priority"] = _PRIORITIES[values.pop("rank")]
    for name in ("first", "due", "latest"):
        values[f"{name}_at"] = values.pop(f"{name}_ms") / 1000
    kinds = frozenset(values.pop("affected_data"))
    # An empty list becomes {} on its way through Lua.
    for name in ("affected_ids", "reasons"):
        values[name] = tuple(values[name])
    return Batch(affected_data=tuple(kind for kind in AffectedData if kind in kinds), **values)
