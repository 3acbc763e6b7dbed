-- Lease a channel's batch, due or not, unless another worker is sending it.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used. ARGV[2]: the channel. ARGV[3]: now, in
-- ms. ARGV[4]: how long a lease holds, in ms.
-- Answer: the batch as JSON, or nothing.
local found = redis.call('HGET', sending, ARGV[2])
if found and not cjson.decode(found).is_postponed then
  local lease_ends_ms = redis.call('ZSCORE', due, ARGV[2])
  local left_ms = (lease_ends_ms or 0) - ARGV[3]
  if left_ms > 0 and left_ms < too_far_ms then return false end
end
keep()
return lease(ARGV[2], ARGV[3], ARGV[4])
