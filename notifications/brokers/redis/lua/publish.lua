-- Append an event to a channel's history and publish it, unless its key was seen.
--
-- KEYS: meta, log, seen. ARGV: as in channel.lua, then ARGV[7]: the idempotency key.
-- ARGV[8]: the event's body. ARGV[9]: the pub/sub channel.
-- Answer: the event's offset, or 0 if the key was seen.
local seen, key, body = KEYS[3], ARGV[7], ARGV[8]

-- Idempotency keys remembered per channel, beyond which the oldest go early. Hours at any
-- rate that a restaurant's channel sees; about a megabyte. A guess.
local max_keys = 10000

read_clock()
-- First, because it is the one write that needs memory: if Redis has none left, it refuses
-- the script here, before anything has changed.
if redis.call('ZADD', seen, 'NX', now_ms, key) == 0 then return 0 end
local epoch, newest, bytes = open()
newest = newest + 1
local id = string.format('%d', newest)
redis.call('XADD', log, id .. '-' .. string.format('%d', now_ms), 'body', body)
local added = size(epoch, id, body)
local _, bytes_left = trim(epoch, newest, bytes + added, added)
redis.call('HSET', meta, 'offset', id, 'bytes', bytes_left)
if newest % 32 == 0 then
  redis.call('ZREMRANGEBYSCORE', seen, '-inf', now_ms - keep_ms)
  redis.call('ZREMRANGEBYRANK', seen, 0, -(max_keys + 1))
end
redis.call('PEXPIRE', log, max_age_ms)
redis.call('PEXPIRE', seen, keep_ms)
keep_epoch()
redis.call('PUBLISH', ARGV[9], epoch .. '-' .. id .. '\n' .. body)
return newest
