-- Return what is remembered with the histories.
--
-- KEYS[1]: the hash that says which server the histories are of, and their generation.
-- ARGV[1]: the generation that the caller knows.
-- Answer: the generation, and the text; no text if none is remembered.
local generation = math.max(tonumber(redis.call('HGET', KEYS[1], 'generation')) or 0, ARGV[1])
return {generation, redis.call('HGET', KEYS[1], 'remembered')}
