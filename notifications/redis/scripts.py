"""What Redis does atomically for us, in Lua.

A channel has three keys, with one hash tag, so that a cluster keeps them
together:

- ``meta``, a hash: ``epoch``, the newest ``offset``, the ``bytes`` in the log,
  and the ``generation`` in which the epoch began;
- ``log``, a stream of events. An entry's id is ``offset-ms``: the offset
  finds it, and the moment of its publication comes for free;
- ``seen``, a sorted set of idempotency keys by when they were published, in ms.

Time is the server's, so that a worker's clock cannot age a history.

A log is trimmed as it is appended to and read: by count, by the bytes of its
blocks, and by age, which the ids tell (MINID alone could not: it goes by the
offset). It expires as a whole when its newest event is too old, so a channel
that falls silent leaves nothing, and one that does not holds at most its limits.

An epoch ends with its generation, a number that rises whenever the data may
have gone back (``redis_server.py``). A Redis that comes back after a crash, or
a replica that takes over, may have lost its last writes, and would give their
offsets out again: a client that has seen the lost ones would silently miss the
new ones. So each restart costs every open stream one resync, and Redis needs no
persistence for our sake.

Processes learn of a new generation one after the other. One that still has an
older number than a channel's is refused (``OUTDATED``), and asks again: it must
not end the epoch that another has just begun.
"""

from __future__ import annotations

import hashlib

#: Idempotency keys remembered per channel, beyond which the oldest go early.
#: Hours at any rate a restaurant's channel sees; about a megabyte. A guess.
MAX_KEYS = 10_000


class Script:
    """Lua that Redis runs as one step; known to Redis by its hash.

    Its ``ARGV[1]`` is the generation, put there by the link.
    """

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # Redis's own name for it, no matter of security.
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# KEYS: meta, log. ARGV: generation, an epoch no channel had, max_events, max_age_ms,
# max_bytes, keep_ms.
_CHANNEL = """
local meta, log = KEYS[1], KEYS[2]
local max_events, max_age_ms = tonumber(ARGV[3]), tonumber(ARGV[4])
local max_bytes, keep_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
local now_ms

local generation = tonumber(ARGV[1])
local found = redis.call('HMGET', meta, 'epoch', 'offset', 'bytes', 'generation')
local began_in = tonumber(found[4])
if began_in and began_in > generation then
  return redis.error_reply('OUTDATED the generation is ' .. found[4])
end

local function look_at_the_clock()
  local time = redis.call('TIME')
  now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Return the channel's epoch, newest offset and bytes; begin an epoch if it has none.
local function open()
  if found[1] and began_in == generation then
    return found[1], tonumber(found[2]), tonumber(found[3])
  end
  redis.call('DEL', meta, log)
  redis.call('HSET', meta, 'epoch', ARGV[2], 'offset', 0, 'bytes', 0, 'generation', generation)
  return ARGV[2], 0, 0
end

-- Outlives the log by half: a client that left just after the last touch still
-- finds its place known when it returns within the history.
local function keep() redis.call('PEXPIRE', meta, math.floor(keep_ms * 1.5)) end

-- The length of the block that is written to clients.
local function size(epoch, offset, body) return #body + #epoch + #offset + 7 end

-- Drop the oldest events until every limit is kept; return the oldest offset
-- left (one past the newest where none is) and the bytes. Each event is dropped
-- once, so this costs each publication an event's worth.
local function trim(epoch, newest, bytes, added)
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
"""

# Also KEYS: seen. Also ARGV: key, body, the live channel.
# Returns the offset, or 0 where the key was there.
PUBLISH = Script(
    _CHANNEL
    + f"""
local seen, key, body = KEYS[3], ARGV[7], ARGV[8]
look_at_the_clock()
-- First of all, and the one write that needs memory: where Redis has none left,
-- it refuses the script here, and nowhere after.
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
  redis.call('ZREMRANGEBYRANK', seen, 0, -{MAX_KEYS + 1})
end
redis.call('PEXPIRE', log, max_age_ms)
redis.call('PEXPIRE', seen, keep_ms)
keep()
redis.call('PUBLISH', ARGV[9], epoch .. '-' .. id .. '\\n' .. body)
return newest
"""
)

# Returns epoch and offset.
TIP = Script(
    _CHANNEL
    + """
local epoch, offset = open()
keep()
return {epoch, offset}
"""
)

# Returns nothing where the channel has no epoch, and begins none.
KNOWN_TIP = Script(
    _CHANNEL
    + """
if not found[1] or began_in ~= generation then return {} end
keep()
return {found[1], tonumber(found[2])}
"""
)

# Also ARGV: the place's epoch and offset, limit.
# Returns epoch, offset, whether the place is known, the bodies that followed.
READ = Script(
    _CHANNEL
    + """
local after, limit = tonumber(ARGV[8]), tonumber(ARGV[9])
look_at_the_clock()
local epoch, newest, bytes = open()
keep()
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
"""
)

# ARGV: generation, pub/sub channel, message. Returns how many connections heard it.
ANNOUNCE = Script("return redis.call('PUBLISH', ARGV[2], ARGV[3])")

# What processes report, in one hash: process -> until when it counts, in ms, and
# what it said. KEYS: that hash.
_REPORTS = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# ARGV: generation, process, what it says, for how long that holds, in ms.
REPORT = Script(
    _REPORTS
    + """
local until_ms = string.format('%d', now_ms + ARGV[4])
redis.call('HSET', KEYS[1], ARGV[2], until_ms .. ' ' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
"""
)

# ARGV: generation, process.
WITHDRAW = Script("redis.call('HDEL', KEYS[1], ARGV[2])")

# ARGV: generation, process. Returns what the other living processes said.
REPORTS = Script(
    _REPORTS
    + """
local said = {}
local found = redis.call('HGETALL', KEYS[1])
for index = 1, #found, 2 do
  local until_ms, text = string.match(found[index + 1], '^(%d+) (.*)$')
  if tonumber(until_ms) < now_ms then
    redis.call('HDEL', KEYS[1], found[index])
  elseif found[index] ~= ARGV[2] then
    said[#said + 1] = text
  end
end
return said
"""
)

#: How the answer to MARK begins where another deployment holds it.
ANOTHER_DEPLOYMENT = "ANOTHERDEPLOYMENT"

# Marks the prefix as used by a deployment, unless another one's mark is there. What
# the last one has left in the histories is not ours: a *generation* tells it from
# ours, as part of the run that epochs end with. It is empty for the first deployment.
#
# KEYS: mark, owner. ARGV: run, deployment, a generation that no other had, how
# long the mark and how long the owner is kept, in ms. Returns the generation.
MARK = Script(
    f"""
local holder = redis.call('HGET', KEYS[1], 'deployment')
if holder and holder ~= ARGV[2] then
  return redis.error_reply('{ANOTHER_DEPLOYMENT} holds the prefix')
end
if not holder then redis.call('HSET', KEYS[1], 'deployment', ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local owner = redis.call('HMGET', KEYS[2], 'deployment', 'generation')
local generation = owner[2] or ''
if owner[1] ~= ARGV[2] then
  generation = owner[1] and ARGV[3] or ''
  redis.call('HSET', KEYS[2], 'deployment', ARGV[2], 'generation', generation)
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return generation
"""
)

ALL = (PUBLISH, TIP, KNOWN_TIP, READ, ANNOUNCE, REPORT, WITHDRAW, REPORTS, MARK)
