-- Learn the generation of the histories, and raise it if they may not be the ones we know.
--
-- KEYS[1]: the hash that says which server the histories are of, and their generation.
-- ARGV[1]: the generation that the caller knows. ARGV[2]: the server's identity.
-- ARGV[3]: the lowest generation that the caller may go on with. ARGV[4]: the identity that
-- the caller knew before; empty if none. ARGV[5]: how long the hash is kept, in ms.
-- Answer: the generation.
local known = redis.call('HMGET', KEYS[1], 'server', 'generation')
local generation = math.max(tonumber(known[2]) or 0, ARGV[3], 1)
if known[1] ~= ARGV[2] then
  generation = math.max(generation, ARGV[1])
  -- The hash is missing if Redis was emptied; the histories have ended with it.
  local before = known[1] or ARGV[4]
  if before ~= '' and before ~= ARGV[2] then generation = generation + 1 end
end
-- Usually there is nothing to write, so this works even if Redis has no memory left.
if known[1] ~= ARGV[2] or tonumber(known[2]) ~= generation then
  redis.call('HSET', KEYS[1], 'server', ARGV[2], 'generation', generation)
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return generation
