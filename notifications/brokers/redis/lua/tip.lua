-- Return a channel's newest id and keep its epoch alive; begin an epoch if it has none.
--
-- KEYS: meta, log. ARGV: as in channel.lua.
-- Answer: epoch and offset.
local epoch, offset = open()
keep_epoch()
return {epoch, offset}
