-- Put runs whose time has come in line. An id that still has no hash worth the name was never accepted work; one that
-- so many workers died with is a convict, unless the last of them has come back meanwhile. Flows that waited until now, too.
-- KEYS  runs lines due held dead ended stats end_task end_handler inboxes flows
-- ARGV  limit
-- ANSWER how many were looked at, of what is due or of what is held
-- include clock event line flow wake relatives end guilt
redis.call('ZREM', due, '') -- harmless, and refused where no lease can be renewed: what looks overdue there is not
local ids = redis.call('ZRANGEBYSCORE', due, '-inf', now_ms, 'LIMIT', 0, limit)
for _, id in ipairs(ids) do
  local v = redis.pcall('HMGET', runs .. id, 'task', 'state', 'queue', 'alone', 'crashes')
  if not v[1] then
    redis.pcall('HDEL', runs .. id, 'queue')
    redis.pcall('LPUSH', dead, id)
    redis.pcall('LTRIM', dead, 0, 9999)
  elseif v[2] == 'WAIT' and is_convict(v[4]) then
    redis.call('HSET', runs .. id, 'output', cjson.encode({type = 'Poison', traceback = '',
      message = v[5] .. ' workers died while they ran it, the last ' .. v[4] .. ' with no other suspect'}))
    end_run(id, v[1], 'EXCEPTION', 'poison')
  elseif not v[2] or v[2] == '' or v[2] == 'WAIT' then
    redis.call('LPUSH', line_of(v[3]), id)
  end
  redis.call('ZREM', due, id)
end
local late = redis.call('ZRANGEBYSCORE', held, '-inf', now_ms, 'LIMIT', 0, limit)
for _, id in ipairs(late) do
  wake(id)
  redis.call('ZREM', held, id) -- where it is none that waits
end
return math.max(#ids, #late)
