-- Lease batches that are due, the longest due first.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used. ARGV[2]: now, in ms. ARGV[3]: how long a
-- lease holds, in ms. ARGV[4]: how many batches at most.
-- Answer: the time on Redis's clock, in ms, then the batches as JSON.
local time = redis.call('TIME')
local leased = {time[1] * 1000 + math.floor(time[2] / 1000)}
local function lease_between(first, last)
  local left = ARGV[4] + 1 - #leased
  local channels = redis.call('ZRANGE', due, first, last, 'BYSCORE', 'LIMIT', 0, left)
  for _, channel in ipairs(channels) do
    leased[#leased + 1] = lease(channel, ARGV[2], ARGV[3]) or nil
  end
end
lease_between('-inf', ARGV[2])
lease_between(ARGV[2] + too_far_ms, '+inf')
keep()
return leased
