-- Return the events that followed a place in a channel's history.
--
-- KEYS: meta, log. ARGV: as in channel.lua, then ARGV[7] and ARGV[8]: the place's epoch and
-- offset. ARGV[9]: how many events at most.
-- Answer: epoch, newest offset, 1 if the place is known (else 0), the events' bodies.
local after, limit = tonumber(ARGV[8]), tonumber(ARGV[9])
read_clock()
local epoch, newest, bytes = open()
keep_epoch()
local oldest, bytes_left = trim(epoch, newest, bytes)
if bytes_left ~= bytes then redis.call('HSET', meta, 'bytes', bytes_left) end
if ARGV[7] ~= epoch or after > newest or after < oldest - 1 then
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
