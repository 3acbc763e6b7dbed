-- What the scripts on pending refreshes have in common; each of them begins with this.
--
-- KEYS[1], due: a sorted set of channels by when they next need attention, in ms. KEYS[2],
-- collecting: a hash from each channel to the batch that triggers join. KEYS[3], sending: a
-- hash from each channel to the batch that a worker has leased.
-- ARGV[1]: not used. Answer: none; the script goes on.
local due, collecting, sending = KEYS[1], KEYS[2], KEYS[3]

-- No batch, lease or pause lies this far ahead. Such a moment was written before Redis's
-- clock was corrected, or by a process that had not learned the time from Redis yet.
local too_far_ms = 60000

-- With any worker alive a batch is gone within a minute. This is for when none is: a
-- deployment that is back the next day still sends what it owes.
local keep_seconds = 24 * 3600

local function keep()
  for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, keep_seconds) end
end

local function lease(channel, now_ms, lease_ms)
  local found = redis.call('HGET', sending, channel)
  if not found then
    found = redis.call('HGET', collecting, channel)
    if not found then
      redis.call('ZREM', due, channel)
      return false
    end
    redis.call('HDEL', collecting, channel)
  end
  local batch = cjson.decode(found)
  batch.attempts = batch.attempts + 1
  batch.is_postponed = false
  found = cjson.encode(batch)
  redis.call('HSET', sending, channel, found)
  redis.call('ZADD', due, now_ms + lease_ms, channel)
  return found
end
