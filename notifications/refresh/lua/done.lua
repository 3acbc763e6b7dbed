-- Forget batches that were published, unless another process has leased them since.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used. ARGV[2] and on: the channel and the id
-- of each batch in turn.
-- Answer: none.
for index = 2, #ARGV, 2 do
  local channel, id = ARGV[index], ARGV[index + 1]
  local found = redis.call('HGET', sending, channel)
  if found and cjson.decode(found).id == id then
    redis.call('HDEL', sending, channel)
    local following = redis.call('HGET', collecting, channel)
    if following then
      redis.call('ZADD', due, cjson.decode(following).due_ms, channel)
    else
      redis.call('ZREM', due, channel)
    end
  end
end
