-- Take ended runs for the end handler. Each is this caller's for so long, then, unless it was handled, anybody's again.
-- KEYS  runs end_task
-- ARGV  limit visible_ms
-- ANSWER id, how often it was taken, of each
-- include clock
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', end_task, '-inf', now_ms, 'LIMIT', 0, limit)) do
  if redis.pcall('HEXISTS', runs .. id, 'unhandled') == 1 then
    redis.call('ZADD', end_task, now_ms + visible_ms, id)
    table.insert(taken, id)
    local times = redis.pcall('HINCRBY', runs .. id, 'unhandled', 1)
    if type(times) ~= 'number' then times = redis.call('HSET', runs .. id, 'unhandled', 1) + 1 end -- by foreign hands
    table.insert(taken, tostring(times))
  else
    redis.call('ZREM', end_task, id)
  end
end
return taken
