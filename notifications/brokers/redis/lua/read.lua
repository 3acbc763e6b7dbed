-- Return the events that followed a place in a channel's history.
--
-- KEYS: meta, log. ARGV: as in channel.lua, then ARGV[5] and ARGV[6]: the place's epoch and
-- offset. ARGV[7]: how many events at most. ARGV[8], ARGV[9]: max_events and max_bytes.
-- Answer: epoch, newest offset, 1 if the place is known (else 0), the events' bodies; or the
-- error OUTDATED.
local meta, log = KEYS[1], KEYS[2]
local after, limit = tonumber(ARGV[6]), tonumber(ARGV[7])
local found, outdated = look(meta)
if outdated then return outdated end
read_clock()
local epoch, newest, bytes = open(meta, log, found, new_epoch)
keep_epoch(meta)
local oldest, bytes_left = trim(log, epoch, newest, bytes, tonumber(ARGV[8]), tonumber(ARGV[9]))
if bytes_left ~= bytes then redis.call('HSET', meta, 'bytes', bytes_left) end
if ARGV[5] ~= epoch or after > newest or after < oldest - 1 then
  return {epoch, newest, 0, {}}
end
local bodies = {}
if after < newest and limit > 0 then
  local first = string.format('%d', after + 1)
  for index, entry in ipairs(redis.call('XRANGE', log, first, '+', 'COUNT', limit)) do
    bodies[index] = entry[2][2]
  end
end
return {epoch, newest, 1, bodies}
