-- Lease batches that are due, the longest due first.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used. ARGV[2]: now, in ms. ARGV[3]: how long a
-- lease holds, in ms. ARGV[4]: how many batches at most. ARGV[5] and on: venues whose batches
-- are left alone.
-- Answer: the time on Redis's clock, in ms, then the batches as JSON.
local time = redis.call('TIME')
local leased = {time[1] * 1000 + math.floor(time[2] / 1000)}
local is_left_out = {}
for index = 5, #ARGV do is_left_out[ARGV[index]] = true end
local are_some_left_out = #ARGV > 4

local function lease_between(first, last)
  local passed = 0
  repeat
    local left = ARGV[4] + 1 - #leased
    -- A venue that is left out may have thousands of batches before the first of another.
    local most = are_some_left_out and math.max(left, 1000) or left
    local channels = redis.call('ZRANGE', due, first, last, 'BYSCORE', 'LIMIT', passed, most)
    for _, channel in ipairs(channels) do
      if #leased > tonumber(ARGV[4]) then return end
      if are_some_left_out and is_left_out[channel:match('^[^:]*')] then
        passed = passed + 1
      else
        leased[#leased + 1] = lease(channel, ARGV[2], ARGV[3]) or nil
      end
    end
  until not are_some_left_out or #channels < most
end
lease_between('-inf', ARGV[2])
lease_between(ARGV[2] + too_far_ms, '+inf')
keep()
return leased
