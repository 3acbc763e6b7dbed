-- Append an event to the histories of its channels and publish it, except where its key was seen.
-- It is one step: all of the channels get it, or none does.
--
-- KEYS: meta, log and seen of each channel in turn. ARGV: as in channel.lua, then ARGV[5]: the
-- idempotency key. ARGV[6]: the event's body. ARGV[7]: for how long a key is remembered
-- however many others come, in ms. From ARGV[8] on, of each channel in turn: its pub/sub
-- channel, max_events and max_bytes.
-- Answer: the event's offset in each channel, 0 where the key was seen; or the error OUTDATED.
local key, body, key_ms = ARGV[5], ARGV[6], tonumber(ARGV[7])

-- Idempotency keys remembered per channel; about a megabyte. Beyond it those go that are older
-- than key_ms. A guess.
local max_keys = 10000

local function forget_keys(seen)
  local before = now_ms - keep_ms
  local excess = redis.call('ZRANGE', seen, -(max_keys + 1), -(max_keys + 1), 'WITHSCORES')
  if excess[2] then before = math.max(before, math.min(tonumber(excess[2]), now_ms - key_ms)) end
  redis.call('ZREMRANGEBYSCORE', seen, '-inf', before)
end

local function append(meta, log, seen, found, fresh_epoch, live, max_events, max_bytes)
  local epoch, newest, bytes = open(meta, log, found, fresh_epoch)
  newest = newest + 1
  local id = string.format('%d', newest)
  redis.call('XADD', log, id .. '-' .. string.format('%d', now_ms), 'body', body)
  local added = size(epoch, id, body)
  local _, bytes_left = trim(log, epoch, newest, bytes + added, max_events, max_bytes, added)
  redis.call('HSET', meta, 'offset', id, 'bytes', bytes_left)
  if newest % 32 == 0 then forget_keys(seen) end
  redis.call('PEXPIRE', log, max_age_ms)
  redis.call('PEXPIRE', seen, keep_ms)
  keep_epoch(meta)
  redis.call('PUBLISH', live, epoch .. '-' .. id .. '\n' .. body)
  return newest
end

-- Nothing is written before all channels were looked at.
local found, outdated = {}, nil
for index = 1, #KEYS, 3 do
  found[index], outdated = look(KEYS[index])
  if outdated then return outdated end
end
read_clock()
local offsets = {}
for index = 1, #KEYS, 3 do
  local meta, log, seen = KEYS[index], KEYS[index + 1], KEYS[index + 2]
  -- The script's first write is this one, which needs memory: if Redis has none left, it
  -- refuses the script here, before anything has changed.
  if redis.call('ZADD', seen, 'NX', now_ms, key) == 0 then
    offsets[#offsets + 1] = 0
  else
    -- Each channel has an epoch of its own, or a place in one would look like a place in another.
    local live, max_events, max_bytes = ARGV[index + 7], ARGV[index + 8], ARGV[index + 9]
    offsets[#offsets + 1] = append(meta, log, seen, found[index], new_epoch .. #offsets, live,
      tonumber(max_events), tonumber(max_bytes))
  end
end
return offsets
