-- Return what waits, and when it next needs attention.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used.
-- Answer: the number of batches, then the first moment in ms if there is one.
local waiting = redis.call('HLEN', KEYS[2]) + redis.call('HLEN', KEYS[3])
return {waiting, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]}
