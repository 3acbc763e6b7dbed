-- Return every channel that has a batch; one that has two comes twice.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used.
-- Answer: the channels, those being sent first.
local channels = redis.call('HKEYS', KEYS[3])
for _, channel in ipairs(redis.call('HKEYS', KEYS[2])) do channels[#channels + 1] = channel end
return channels
