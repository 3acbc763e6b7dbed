-- Return a channel's newest id and keep its epoch alive, if it has one.
--
-- KEYS: meta, log. ARGV: as in channel.lua.
-- Answer: epoch and offset; nothing if the channel has no epoch.
if not found[1] or began_in ~= generation then return {} end
keep_epoch()
return {found[1], tonumber(found[2])}
