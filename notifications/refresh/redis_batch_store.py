"""Batches that several workers share, in Redis.

Whichever worker a change passes through, a target has one batch; and a worker
that dies leaves its batches to the others. All times are those of Redis's
clock, which each worker learns whenever it asks what is due: the clocks of
their machines may differ.

Per shard there are three keys, with one hash tag, so that a cluster keeps
them together:

- ``due``: a sorted set of targets by when they next want attention, in ms;
- ``collecting``: a hash from target to the batch that triggers join;
- ``sending``: a hash from target to the batch that somebody has claimed.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import redis

from notifications.events import AffectedData
from notifications.redis.link import Call, RedisLink
from notifications.refresh import scripts
from notifications.refresh.batch import MAX_AFFECTED_IDS, MAX_REASONS, Batch
from notifications.refresh.batch_store import LEASE_SECONDS
from notifications.refresh.trigger import Priority, Trigger

# A worker learns from itself of what is due; it looks for batches of a dead
# one this often, for two quick commands.
POLL_SECONDS = 0.5

# With any worker alive a batch is gone within a minute. This is for when none
# is: a deployment that is back the next day still sends what it owes.
KEEP_SECONDS = 24 * 3600

_PRIORITIES = tuple(Priority)
_NAMES = tuple(field.name for field in fields(Batch))


class RedisBatches:
    """The batches of all workers that use the same Redis, ``prefix`` and ``shards``.

    See :class:`notifications.refresh.batch_store.BatchStore`. Every method but the
    properties waits for Redis, so it switches greenlets, and raises
    ``redis.RedisError`` when Redis cannot be reached; a call that timed out
    may have been carried out. ``shards`` spreads the targets over the nodes
    of a cluster, each claim asking every shard; leave it at 1 without one.

    Triggers come hundreds a second. With ``link`` they travel on its connection,
    together with the events and each other, and raise ``BrokerUnavailable``
    instead; with one of ``client``'s each, they took longer than all the rest.
    """

    poll_seconds: float | None = POLL_SECONDS

    def __init__(
        self,
        client: redis.Redis,
        *,
        link: RedisLink | None = None,
        prefix: str = "restaurant:",
        shards: int = 1,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._client = client
        self._link = link
        if link is not None:
            link.learn(scripts.ADD)
        self._shards = [
            [f"{prefix}{{refresh:{shard}}}:{name}" for name in ("due", "collecting", "sending")]
            for shard in range(shards)
        ]
        self._lease_ms = _ms(lease_seconds)
        # How far Redis's clock is ahead of our monotonic one; until it has said so, we guess.
        self._ahead_seconds = time.time() - time.monotonic()
        self._add = client.register_script(scripts.ADD.text)
        self._claim_due = client.register_script(scripts.CLAIM_DUE)
        self._claim_target = client.register_script(scripts.CLAIM_TARGET)
        self._done = client.register_script(scripts.DONE)
        self._postpone = client.register_script(scripts.POSTPONE)

    def clock(self) -> float:
        """Return what Redis's clock says, in seconds since 1970, as far as we have learnt."""
        return time.monotonic() + self._ahead_seconds

    def add(self, target: str, trigger: Trigger, now: float) -> float:
        return self.add_all([(target, trigger)], now)

    def add_all(self, additions: Sequence[tuple[str, Trigger]], now: float) -> float:
        # A target's are joined here already: a status change brings two for each, and
        # Redis, which all workers share, then has half as many to take in.
        opened: dict[str, Batch] = {}
        for target, trigger in additions:
            batch = opened.get(target)
            opened[target] = (
                batch.joined_by(trigger, now) if batch else Batch.opened(target, trigger, now)
            )
        by_shard: dict[int, list[dict[str, Any]]] = {}
        for target, batch in opened.items():
            by_shard.setdefault(self._shard(target), []).append(_fields(batch))
        return min(self._add_to(shard, batches) for shard, batches in by_shard.items()) / 1000

    def _add_to(self, shard: int, batches: list[dict[str, Any]]) -> float:
        """Return when the first of these targets of one shard is due, in ms."""
        keys = self._shards[shard]
        args: list[str | int] = [json.dumps(batches), MAX_AFFECTED_IDS, MAX_REASONS, KEEP_SECONDS]
        if self._link is None:
            return float(self._add(keys, ["", *args]))
        (due_ms,) = self._link.call(Call(scripts.ADD, keys, args))
        return float(due_ms)

    def claim_due(self, now: float, limit: int) -> list[Batch]:
        self._require_ours()
        claimed: list[Batch] = []
        for keys in self._shards:
            args = [_ms(now), self._lease_ms, limit - len(claimed), KEEP_SECONDS]
            asked_at = time.monotonic()
            redis_ms, *found = self._claim_due(keys, args)
            self._ahead_seconds = redis_ms / 1000 - asked_at
            claimed += map(_load, found)
            if len(claimed) == limit:
                break
        return claimed

    def claim_target(self, target: str, now: float) -> Batch | None:
        self._require_ours()
        found = self._claim_target(
            self._keys(target), [target, _ms(now), self._lease_ms, KEEP_SECONDS]
        )
        return _load(found) if found else None

    def targets(self) -> list[str]:
        found: dict[str, None] = {}
        for _, collecting, sending in self._shards:
            for key in (sending, collecting):
                names: Any = self._client.hkeys(key)
                found.update(
                    (name if isinstance(name, str) else name.decode(), None) for name in names
                )
        return list(found)

    def done(self, *batches: Batch) -> None:
        by_shard: dict[int, list[str]] = {}
        for batch in batches:
            by_shard.setdefault(self._shard(batch.target), []).extend((batch.target, batch.id))
        for shard, args in by_shard.items():
            self._done(self._shards[shard], args)

    def postpone(self, batch: Batch, until: float) -> None:
        self._postpone(self._keys(batch.target), [batch.target, batch.id, _ms(until), KEEP_SECONDS])

    def next_due(self) -> float | None:
        firsts: list[Any] = [
            self._client.zrange(due, 0, 0, withscores=True) for due, _, _ in self._shards
        ]
        moments = [float(score) for first in firsts for _, score in first]
        return min(moments) / 1000 if moments else None

    def pending(self) -> int:
        counts: list[Any] = [
            self._client.hlen(key) for _, *hashes in self._shards for key in hashes
        ]
        return sum(counts)

    def _require_ours(self) -> None:
        # Another deployment's batches are for its own screens.
        if self._link is not None:
            self._link.require_no_conflict()

    def _keys(self, target: str) -> list[str]:
        return self._shards[self._shard(target)]

    def _shard(self, target: str) -> int:
        return zlib.crc32(target.encode()) % len(self._shards)


def _ms(seconds: float) -> int:
    # Whole milliseconds: Lua's JSON keeps 14 digits, and the time of day has 13.
    return round(seconds * 1000)


def _fields(batch: Batch) -> dict[str, Any]:
    values = {name: getattr(batch, name) for name in _NAMES}
    values["rank"] = _PRIORITIES.index(values.pop("priority"))
    for name in ("first", "due", "latest"):
        values[f"{name}_ms"] = _ms(values.pop(f"{name}_at"))
    return values


def _load(stored: str | bytes) -> Batch:
    values = json.loads(stored)
    values.pop("is_postponed")
    values["priority"] = _PRIORITIES[values.pop("rank")]
    for name in ("first", "due", "latest"):
        values[f"{name}_at"] = values.pop(f"{name}_ms") / 1000
    kinds = frozenset(values.pop("affected_data"))
    # An empty list has become {} on its way through Lua.
    for name in ("affected_ids", "reasons"):
        values[name] = tuple(values[name])
    return Batch(affected_data=tuple(kind for kind in AffectedData if kind in kinds), **values)
