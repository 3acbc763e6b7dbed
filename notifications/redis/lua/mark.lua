-- Mark the prefix as used by a deployment, unless another deployment's mark is there.
--
-- What the last deployment left in the histories is not ours. A token, which becomes part of
-- the server's identity, tells it from ours; the first deployment's token is empty.
--
-- KEYS[1]: the mark. KEYS[2]: which deployment wrote the histories last, and its token.
-- ARGV[1]: not used. ARGV[2]: the deployment. ARGV[3]: a token that no other deployment had.
-- ARGV[4], ARGV[5]: how long each key is kept, in ms.
-- Answer: the token, or the error ANOTHERDEPLOYMENT.
local holder = redis.call('HGET', KEYS[1], 'deployment')
if holder and holder ~= ARGV[2] then
  return redis.error_reply('ANOTHERDEPLOYMENT holds the prefix')
end
if not holder then redis.call('HSET', KEYS[1], 'deployment', ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local owner = redis.call('HMGET', KEYS[2], 'deployment', 'generation')
local token = owner[2] or ''
if owner[1] ~= ARGV[2] then
  token = owner[1] and ARGV[3] or ''
  redis.call('HSET', KEYS[2], 'deployment', ARGV[2], 'generation', token)
end
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return token
