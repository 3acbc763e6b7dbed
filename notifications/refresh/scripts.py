"""What Redis does atomically with the batches of refreshes, in Lua.

Of one shard, always; its KEYS are ``due``, ``collecting`` and ``sending``, as
``refresh_batches_redis.py`` has them.
"""

from __future__ import annotations

from notifications.redis.scripts import Script

_COMMON = """
local due, collecting, sending = KEYS[1], KEYS[2], KEYS[3]

local function keep(seconds)
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, seconds) end
end

-- No batch, lease or pause is this far ahead. Such a moment was written before Redis's
-- clock was corrected, or by a process that had not learnt yet what it says.
local too_far_ms = 60000

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

# ARGV: generation, unused; the batches that the triggers would open, max ids, max reasons, keep.
# The rule is that of Batch.joined_by; the tests hold the two together.
ADD = Script(
    _COMMON
    + """
local max_ids, max_reasons = tonumber(ARGV[3]), tonumber(ARGV[4])

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
  batch.reasons_left_out = batch.reasons_left_out + added.reasons_left_out
  while #batch.reasons > max_reasons do
    table.remove(batch.reasons)
    batch.reasons_left_out = batch.reasons_left_out + 1
  end
  batch.triggers = batch.triggers + added.triggers
  return batch
end

local first_due_ms
for _, added in ipairs(cjson.decode(ARGV[2])) do
  local target = added.target
  local found = redis.call('HGET', collecting, target)
  local batch = found and join(cjson.decode(found), added) or added
  redis.call('HSET', collecting, target, cjson.encode(batch))
  if redis.call('HEXISTS', sending, target) == 0 then
    redis.call('ZADD', due, batch.due_ms, target)
  end
  first_due_ms = math.min(first_due_ms or batch.due_ms, batch.due_ms)
end
keep(ARGV[5])
return first_due_ms
"""
)

# ARGV: now, lease, limit, keep. Returns what Redis's clock says, in ms, and the batches.
CLAIM_DUE = (
    _COMMON
    + """
local time = redis.call('TIME')
local claimed = {time[1] * 1000 + math.floor(time[2] / 1000)}
local function claim_between(first, last)
  local left = ARGV[3] + 1 - #claimed
  local targets = redis.call('ZRANGE', due, first, last, 'BYSCORE', 'LIMIT', 0, left)
  for _, target in ipairs(targets) do
    claimed[#claimed + 1] = claim(target, ARGV[1], ARGV[2]) or nil
  end
end
claim_between('-inf', ARGV[1])
claim_between(ARGV[1] + too_far_ms, '+inf')
keep(ARGV[4])
return claimed
"""
)

# ARGV: target, now, lease, keep.
CLAIM_TARGET = (
    _COMMON
    + """
local found = redis.call('HGET', sending, ARGV[1])
if found and not cjson.decode(found).is_postponed then
  local lease_ends_ms = redis.call('ZSCORE', due, ARGV[1])
  local left_ms = (lease_ends_ms or 0) - ARGV[2]
  if left_ms > 0 and left_ms < too_far_ms then return false end
end
keep(ARGV[4])
return claim(ARGV[1], ARGV[2], ARGV[3])
"""
)

# ARGV: of each batch its target and id.
DONE = (
    _COMMON
    + """
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
)

# ARGV: target, batch id, until, keep.
POSTPONE = (
    _COMMON
    + """
local found = redis.call('HGET', sending, ARGV[1])
if not found then return end
local batch = cjson.decode(found)
if batch.id ~= ARGV[2] then return end
batch.is_postponed = true
redis.call('HSET', sending, ARGV[1], cjson.encode(batch))
redis.call('ZADD', due, ARGV[3], ARGV[1])
keep(ARGV[4])
"""
)
