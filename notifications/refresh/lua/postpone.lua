-- Offer a leased batch again later, unless another process has leased it since.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used. ARGV[2]: the channel. ARGV[3]: the
-- batch's id. ARGV[4]: when to offer it, in ms.
-- Answer: none.
local found = redis.call('HGET', sending, ARGV[2])
if not found then return end
local batch = cjson.decode(found)
if batch.id ~= ARGV[3] then return end
batch.is_postponed = true
redis.call('HSET', sending, ARGV[2], cjson.encode(batch))
redis.call('ZADD', due, ARGV[4], ARGV[2])
keep()
