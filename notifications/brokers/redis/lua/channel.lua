-- What the scripts on histories have in common; each of them begins with this.
--
-- A channel has three keys. meta: a hash of the epoch, the newest offset, the bytes in the log
-- and the generation in which the epoch began. log: the events, in Redis's log type; an
-- entry's id is offset-ms, so the offset finds it and tells when it was published. seen: a
-- sorted set of idempotency keys by when they came, in ms.
--
-- ARGV[1]: the generation. ARGV[2]: an epoch that no channel had. ARGV[3]: max_age_ms. ARGV[4]:
-- keep_ms, for how long keys are remembered.
-- Answer: none; the script goes on.
--
-- Time is the server's, so a worker's clock cannot age a history. A log is trimmed as it is
-- appended to and read: by count, by the bytes of its blocks, and by age. (MINID alone could
-- not do the last: it compares offsets.) It expires as a whole when its newest event is too
-- old, so a silent channel leaves nothing, and a busy one holds at most its limits.
local generation, new_epoch = tonumber(ARGV[1]), ARGV[2]
local max_age_ms, keep_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local now_ms

local function read_clock()
  local time = redis.call('TIME')
  now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Return what meta holds; the error OUTDATED instead if the channel has a newer generation,
-- and then the script must not go on.
local function look(meta)
  local found = redis.call('HMGET', meta, 'epoch', 'offset', 'bytes', 'generation')
  local began_in = tonumber(found[4])
  if began_in and began_in > generation then
    return nil, redis.error_reply('OUTDATED the generation is ' .. found[4])
  end
  return found
end

local function has_epoch(found) return found[1] and tonumber(found[4]) == generation end

-- Return the channel's epoch, newest offset and bytes; begin ``epoch`` if it has none.
local function open(meta, log, found, epoch)
  if has_epoch(found) then return found[1], tonumber(found[2]), tonumber(found[3]) end
  redis.call('DEL', meta, log)
  redis.call('HSET', meta, 'epoch', epoch, 'offset', 0, 'bytes', 0, 'generation', generation)
  return epoch, 0, 0
end

-- The epoch outlives the log by half: a client that left just after the last event still
-- finds its place known if it returns within the history.
local function keep_epoch(meta) redis.call('PEXPIRE', meta, math.floor(keep_ms * 1.5)) end

-- The length of the block that is written to clients.
local function size(epoch, offset, body) return #body + #epoch + #offset + 7 end

-- Drop the oldest events until every limit is kept; return the oldest offset that is left
-- (one past the newest if none is) and the bytes. Each event is dropped once, so this
-- adds to each publication the cost of one event.
local function trim(log, epoch, newest, bytes, max_events, max_bytes, added)
  local oldest, batch, last = newest + 1, 1, nil
  while true do
    local entries = redis.call('XRANGE', log, last and '(' .. last or '-', '+', 'COUNT', batch)
    oldest = newest + 1
    for _, entry in ipairs(entries) do
      local offset, published_ms = string.match(entry[1], '(%d+)-(%d+)')
      oldest = tonumber(offset)
      -- The log has expired since the bytes were counted.
      if added and oldest == newest then bytes = added end
      if newest - oldest < max_events and bytes <= max_bytes
        and tonumber(published_ms) >= now_ms - max_age_ms then break end
      bytes, last = bytes - size(epoch, offset, entry[2][2]), entry[1]
      oldest = newest + 1
    end
    if oldest <= newest or #entries < batch then break end
    batch = 64
  end
  if last then redis.call('XTRIM', log, 'MINID', string.format('%d', oldest)) end
  return oldest, bytes
end
