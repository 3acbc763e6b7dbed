-- Remember a text with the histories, and end them if asked to, unless the text has changed.
--
-- KEYS[1]: the hash that says which server the histories are of, and their generation.
-- ARGV[1]: the generation that the caller knows. ARGV[2]: the text. ARGV[3]: the text that
-- must be remembered now; empty for none. ARGV[4]: 1 to end all histories, else 0.
-- ARGV[5]: how long the hash is kept, in ms.
-- Answer: the generation.
local generation = math.max(tonumber(redis.call('HGET', KEYS[1], 'generation')) or 0, ARGV[1])
if (redis.call('HGET', KEYS[1], 'remembered') or '') ~= ARGV[3] then return generation end
generation = generation + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'remembered', ARGV[2], 'generation', generation)
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return generation
