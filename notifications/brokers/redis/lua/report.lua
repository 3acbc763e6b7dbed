-- Write what a process reports.
--
-- KEYS[1]: a hash from each process to its report, which begins with when it expires, in ms.
-- ARGV[1]: not used. ARGV[2]: the process. ARGV[3]: the report. ARGV[4]: for how long it
-- holds, in ms.
-- Answer: none.
local time = redis.call('TIME')
local expires_ms = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[4]
redis.call('HSET', KEYS[1], ARGV[2], string.format('%d', expires_ms) .. ' ' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
