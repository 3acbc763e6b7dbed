-- Return a channel's newest id and keep its epoch alive, if it has one.
--
-- KEYS: meta. ARGV: as in channel.lua.
-- Answer: epoch and offset; nothing if the channel has no epoch; or the error OUTDATED.
local found, outdated = look(KEYS[1])
if outdated then return outdated end
if not has_epoch(found) then return {} end
keep_epoch(KEYS[1])
return {found[1], tonumber(found[2])}
