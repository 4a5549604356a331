-- Push runs that are due onto their queues, and wake flows whose time has come. An id that still has no task was never
-- accepted work. A run that is convicted ends here, unless its last worker has come back meanwhile.
-- KEYS  runs lines due held dead ended stats end_task end_handler inboxes flows
-- ARGV  limit
-- ANSWER the number looked at, of due runs or of held flows, whichever is larger
-- include clock event line flow wake relatives end guilt
-- Harmless. It fails if the server refuses writes: then no lease can be renewed, and none of them counts as overdue.
redis.call('ZREM', due, '')
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
  redis.call('ZREM', held, id) -- also if it is not a waiting flow
end
return math.max(#ids, #late)
