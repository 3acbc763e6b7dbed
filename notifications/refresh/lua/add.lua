-- Let batches join those that collect triggers. The rule is that of Batch.joined_by in
-- Python; a test compares the two.
--
-- KEYS: due, collecting, sending. ARGV[1]: not used. ARGV[2]: the batches that the triggers
-- would open, as JSON. ARGV[3], ARGV[4]: how many ids and reasons one batch may list.
-- Answer: when the first of the channels is due, in ms.
local max_ids, max_reasons = tonumber(ARGV[3]), tonumber(ARGV[4])

local function union(values, more)
  local seen = {}
  for _, value in ipairs(values) do seen[value] = true end
  for _, value in ipairs(more) do
    if not seen[value] then
      seen[value] = true
      values[#values + 1] = value
    end
  end
end

local function join(batch, added)
  if added.rank < batch.rank then
    batch.latest_ms = math.min(batch.due_ms, added.latest_ms)
    batch.rank = added.rank
  end
  if added.rank == batch.rank then
    batch.due_ms = math.min(added.due_ms, batch.latest_ms)
  end
  union(batch.affected_data, added.affected_data)
  union(batch.affected_ids, added.affected_ids)
  if batch.is_about_any_id or added.is_about_any_id or #batch.affected_ids > max_ids then
    batch.is_about_any_id = true
    batch.affected_ids = {}
  end
  union(batch.reasons, added.reasons)
  batch.reasons_left_out = batch.reasons_left_out + added.reasons_left_out
  while #batch.reasons > max_reasons do
    table.remove(batch.reasons)
    batch.reasons_left_out = batch.reasons_left_out + 1
  end
  batch.triggers = batch.triggers + added.triggers
  return batch
end

local first_due_ms
for _, added in ipairs(cjson.decode(ARGV[2])) do
  local channel = added.channel
  local found = redis.call('HGET', collecting, channel)
  local batch = found and join(cjson.decode(found), added) or added
  redis.call('HSET', collecting, channel, cjson.encode(batch))
  if redis.call('HEXISTS', sending, channel) == 0 then
    redis.call('ZADD', due, batch.due_ms, channel)
  end
  first_due_ms = math.min(first_due_ms or batch.due_ms, batch.due_ms)
end
keep()
return first_due_ms
