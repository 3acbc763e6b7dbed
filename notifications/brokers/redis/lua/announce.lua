-- Publish a message to one process.
--
-- ARGV[1]: not used. ARGV[2]: the pub/sub channel. ARGV[3]: the message.
-- Answer: how many connections heard it.
return redis.call('PUBLISH', ARGV[2], ARGV[3])
