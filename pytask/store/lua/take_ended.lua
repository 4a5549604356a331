-- Take ended runs for the end handler. No other caller gets them for `visible_ms`; after that, those that were not
-- released can be taken again.
-- KEYS  runs end_task
-- ARGV  limit visible_ms
-- ANSWER for each: its id, how often it was taken
-- include clock
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', end_task, '-inf', now_ms, 'LIMIT', 0, limit)) do
  if redis.pcall('HEXISTS', runs .. id, 'unhandled') == 1 then
    redis.call('ZADD', end_task, now_ms + visible_ms, id)
    table.insert(taken, id)
    local times = redis.pcall('HINCRBY', runs .. id, 'unhandled', 1)
    if type(times) ~= 'number' then times = redis.call('HSET', runs .. id, 'unhandled', 1) + 1 end -- another client wrote it
    table.insert(taken, tostring(times))
  else
    redis.call('ZREM', end_task, id)
  end
end
return taken
