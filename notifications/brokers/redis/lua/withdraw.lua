-- Delete what a process reported.
--
-- KEYS[1]: the hash of reports. ARGV[1]: not used. ARGV[2]: the process.
-- Answer: none.
redis.call('HDEL', KEYS[1], ARGV[2])
