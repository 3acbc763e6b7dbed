-- Return what the other living processes reported, and delete what has expired.
--
-- KEYS[1]: the hash of reports. ARGV[1]: not used. ARGV[2]: the process that asks.
-- Answer: their reports.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local reports = {}
local found = redis.call('HGETALL', KEYS[1])
for index = 1, #found, 2 do
  local expires_ms, report = string.match(found[index + 1], '^(%d+) (.*)$')
  if tonumber(expires_ms) < now_ms then
    redis.call('HDEL', KEYS[1], found[index])
  elseif found[index] ~= ARGV[2] then
    reports[#reports + 1] = report
  end
end
return reports
