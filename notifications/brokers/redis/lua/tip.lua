-- Return a channel's newest id and keep its epoch alive; begin an epoch if it has none.
--
-- KEYS: meta, log. ARGV: as in channel.lua.
-- Answer: epoch and offset; or the error OUTDATED.
local found, outdated = look(KEYS[1])
if outdated then return outdated end
local epoch, offset = open(KEYS[1], KEYS[2], found, new_epoch)
keep_epoch(KEYS[1])
return {epoch, offset}
