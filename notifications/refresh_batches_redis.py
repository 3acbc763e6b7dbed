"""Batches that several workers share, in Redis.

Whichever worker a change passes through, a target has one batch; and a worker
that dies leaves its batches to the others. All times are the workers' own
clocks, so their machines need NTP; a clock that is off by a second moves a
batch by at most that, and sends none twice.

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
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import redis

from notifications.debouncer import MAX_AFFECTED_IDS, MAX_REASONS, Batch
from notifications.events import AffectedData
from notifications.refresh_batches import LEASE_SECONDS
from notifications.refresh_trigger import Priority, Trigger

# A worker learns from itself of what is due; it looks for batches of a dead
# one this often, for two quick commands.
POLL_SECONDS = 0.5

# With any worker alive a batch is gone within a minute. This is for when none
# is: a deployment that is back the next day still sends what it owes.
KEEP_SECONDS = 24 * 3600

_PRIORITIES = tuple(Priority)

_COMMON = """
local due, collecting, sending = KEYS[1], KEYS[2], KEYS[3]

local function keep(seconds)
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, seconds) end
end

local function claim(target, now_ms, lease_ms)
  local found = redis.call('HGET', sending, target)
  if not found then
    found = redis.call('HGET', collecting, target)
    if not found then
      redis.call('ZREM', due, target)
      return false
    end
    redis.call('HDEL', collecting, target)
  end
  local batch = cjson.decode(found)
  batch.attempts = batch.attempts + 1
  batch.is_postponed = false
  found = cjson.encode(batch)
  redis.call('HSET', sending, target, found)
  redis.call('ZADD', due, now_ms + lease_ms, target)
  return found
end
"""

# ARGV: the batches that the triggers would open, max ids, max reasons, keep.
# The rule is that of Batch.joined_by; the tests hold the two together.
_ADD = """
local max_ids, max_reasons = tonumber(ARGV[2]), tonumber(ARGV[3])

local function union(values, more)
  local seen = {}
  for _, value in ipairs(values) do seen[value] = true end
  for _, value in ipairs(more) do
    if not seen[value] then
      seen[value] = true
      values[#values + 1] = value
    end
  end
end

local function join(batch, added)
  if added.rank < batch.rank then
    batch.latest_ms = math.min(batch.due_ms, added.latest_ms)
    batch.rank = added.rank
  end
  if added.rank == batch.rank then
    batch.due_ms = math.min(added.due_ms, batch.latest_ms)
  end
  union(batch.affected_data, added.affected_data)
  union(batch.affected_ids, added.affected_ids)
  if batch.is_about_any_id or added.is_about_any_id or #batch.affected_ids > max_ids then
    batch.is_about_any_id = true
    batch.affected_ids = {}
  end
  union(batch.reasons, added.reasons)
  if #batch.reasons > max_reasons then
    table.remove(batch.reasons)
    batch.reasons_left_out = batch.reasons_left_out + 1
  end
  batch.triggers = batch.triggers + added.triggers
  return batch
end

local first_due_ms
for _, added in ipairs(cjson.decode(ARGV[1])) do
  local target = added.target
  local found = redis.call('HGET', collecting, target)
  local batch = found and join(cjson.decode(found), added) or added
  redis.call('HSET', collecting, target, cjson.encode(batch))
  if redis.call('HEXISTS', sending, target) == 0 then
    redis.call('ZADD', due, batch.due_ms, target)
  end
  first_due_ms = math.min(first_due_ms or batch.due_ms, batch.due_ms)
end
keep(ARGV[4])
return first_due_ms
"""

# ARGV: now, lease, limit, keep.
_CLAIM_DUE = """
local claimed = {}
local targets = redis.call('ZRANGE', due, '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[3])
for _, target in ipairs(targets) do
  claimed[#claimed + 1] = claim(target, ARGV[1], ARGV[2]) or nil
end
keep(ARGV[4])
return claimed
"""

# ARGV: target, now, lease, keep.
_CLAIM_TARGET = """
local found = redis.call('HGET', sending, ARGV[1])
if found and not cjson.decode(found).is_postponed then
  local lease_ends_ms = redis.call('ZSCORE', due, ARGV[1])
  if lease_ends_ms and tonumber(lease_ends_ms) > tonumber(ARGV[2]) then return false end
end
keep(ARGV[4])
return claim(ARGV[1], ARGV[2], ARGV[3])
"""

# ARGV: of each batch its target and id.
_DONE = """
for index = 1, #ARGV, 2 do
  local target, id = ARGV[index], ARGV[index + 1]
  local found = redis.call('HGET', sending, target)
  if found and cjson.decode(found).id == id then
    redis.call('HDEL', sending, target)
    local next = redis.call('HGET', collecting, target)
    if next then
      redis.call('ZADD', due, cjson.decode(next).due_ms, target)
    else
      redis.call('ZREM', due, target)
    end
  end
end
"""

# ARGV: target, batch id, until, keep.
_POSTPONE = """
local found = redis.call('HGET', sending, ARGV[1])
if not found then return end
local batch = cjson.decode(found)
if batch.id ~= ARGV[2] then return end
batch.is_postponed = true
redis.call('HSET', sending, ARGV[1], cjson.encode(batch))
redis.call('ZADD', due, ARGV[3], ARGV[1])
keep(ARGV[4])
"""


class RedisBatches:
    """The batches of all workers that use the same Redis, ``prefix`` and ``shards``.

    See :class:`notifications.refresh_batches.BatchStore`. Every method but the
    properties waits for Redis, so it switches greenlets, and raises
    ``redis.RedisError`` when Redis cannot be reached; a call that timed out
    may have been carried out. ``shards`` spreads the targets over the nodes
    of a cluster, each claim asking every shard; leave it at 1 without one.
    """

    clock: Callable[[], float] = staticmethod(time.time)
    poll_seconds: float | None = POLL_SECONDS

    def __init__(
        self,
        client: redis.Redis,
        *,
        prefix: str = "notifications:refresh",
        shards: int = 1,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._client = client
        self._shards = [
            [f"{{{prefix}:{shard}}}:{name}" for name in ("due", "collecting", "sending")]
            for shard in range(shards)
        ]
        self._lease_ms = _ms(lease_seconds)
        self._add = client.register_script(_COMMON + _ADD)
        self._claim_due = client.register_script(_COMMON + _CLAIM_DUE)
        self._claim_target = client.register_script(_COMMON + _CLAIM_TARGET)
        self._done = client.register_script(_COMMON + _DONE)
        self._postpone = client.register_script(_COMMON + _POSTPONE)

    def add(self, target: str, trigger: Trigger, now: float) -> float:
        return self.add_all([(target, trigger)], now)

    def add_all(self, additions: Sequence[tuple[str, Trigger]], now: float) -> float:
        by_shard: dict[int, list[dict[str, Any]]] = {}
        for target, trigger in additions:
            batch = _fields(Batch.opened(target, trigger, now))
            by_shard.setdefault(self._shard(target), []).append(batch)
        limits = [MAX_AFFECTED_IDS, MAX_REASONS, KEEP_SECONDS]
        moments = [
            float(self._add(self._shards[shard], [json.dumps(batches), *limits]))
            for shard, batches in by_shard.items()
        ]
        return min(moments) / 1000

    def claim_due(self, now: float, limit: int) -> list[Batch]:
        claimed: list[Batch] = []
        for keys in self._shards:
            args = [_ms(now), self._lease_ms, limit - len(claimed), KEEP_SECONDS]
            claimed += map(_load, self._claim_due(keys, args))
            if len(claimed) == limit:
                break
        return claimed

    def claim_target(self, target: str, now: float) -> Batch | None:
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

    def _keys(self, target: str) -> list[str]:
        return self._shards[self._shard(target)]

    def _shard(self, target: str) -> int:
        return zlib.crc32(target.encode()) % len(self._shards)


def _ms(seconds: float) -> int:
    # Whole milliseconds: Lua's JSON keeps 14 digits, and the time of day has 13.
    return round(seconds * 1000)


def _fields(batch: Batch) -> dict[str, Any]:
    fields = asdict(batch)
    fields["rank"] = _PRIORITIES.index(fields.pop("priority"))
    for name in ("first", "due", "latest"):
        fields[f"{name}_ms"] = _ms(fields.pop(f"{name}_at"))
    return fields


def _load(stored: str | bytes) -> Batch:
    fields = json.loads(stored)
    fields.pop("is_postponed")
    fields["priority"] = _PRIORITIES[fields.pop("rank")]
    for name in ("first", "due", "latest"):
        fields[f"{name}_at"] = fields.pop(f"{name}_ms") / 1000
    kinds = frozenset(fields.pop("affected_data"))
    # An empty list has become {} on its way through Lua.
    for name in ("affected_ids", "reasons"):
        fields[name] = tuple(fields[name])
    return Batch(affected_data=tuple(kind for kind in AffectedData if kind in kinds), **fields)
