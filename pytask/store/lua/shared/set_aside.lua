-- What a claim sets aside instead of granting: ids whose task this worker does not know, and unusable entries.
-- Nothing here may fail, or the claim is half done: other programs may use these keys with other types.
local parked_now, buried_now = {}, {}

local function bury(id, why)
  redis.pcall('LPUSH', dead, string.sub(id, 1, 256))
  redis.pcall('LTRIM', dead, 0, 9999)
  table.insert(buried_now, string.sub(id, 1, 256))
  table.insert(buried_now, why)
end

local function park(id, task, queue, reason)
  if not is_text(task) then return bury(id, 'its task is not UTF-8') end
  local pushed = redis.pcall('LPUSH', parked .. task, id)
  if type(pushed) == 'table' then return bury(id, 'the list of its task is not a list') end
  local why = reason or 'no worker knows "' .. task .. '"'
  redis.call('HSET', runs .. id, 'state', 'WAIT', 'reason', why, 'queue', queue, 'parked', now)
  redis.pcall('SADD', parked_names, task)
  publish(id, 'wait', cjson.encode({reason = why}), 0)
  if reason then return end -- the worker has nothing to add
  table.insert(parked_now, id)
  table.insert(parked_now, task)
end
