-- What a claim lays aside instead of granting it: ids whose task this worker does not know, and unusable entries.
local parked_now, buried_now = {}, {}

local function park(id, task, queue)
  local why = 'no worker knows "' .. task .. '"'
  redis.call('HSET', runs .. id, 'state', 'WAIT', 'reason', why, 'queue', queue, 'parked', now)
  redis.call('LPUSH', parked .. task, id)
  redis.call('SADD', parked_names, task)
  publish(id, 'wait', cjson.encode({reason = why}), 0)
  table.insert(parked_now, id)
  table.insert(parked_now, task)
end

local function bury(id, why)
  redis.call('LPUSH', dead, string.sub(id, 1, 256))
  redis.call('LTRIM', dead, 0, 9999)
  table.insert(buried_now, string.sub(id, 1, 256))
  table.insert(buried_now, why)
end
