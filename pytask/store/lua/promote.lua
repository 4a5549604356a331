-- Put runs whose time has come in line. An id that still has no hash worth the name was never accepted work.
-- KEYS  runs lines due dead
-- ARGV  limit
-- ANSWER how many were looked at
-- include clock line
local ids = redis.call('ZRANGEBYSCORE', due, '-inf', now_ms, 'LIMIT', 0, limit)
for _, id in ipairs(ids) do
  local v = redis.pcall('HMGET', runs .. id, 'task', 'state', 'queue')
  if not v[1] then
    redis.pcall('HDEL', runs .. id, 'queue')
    redis.pcall('LPUSH', dead, id)
    redis.pcall('LTRIM', dead, 0, 9999)
  elseif not v[2] or v[2] == '' or v[2] == 'WAIT' then
    redis.call('LPUSH', line_of(v[3]), id)
  end
  redis.call('ZREM', due, id)
end
return #ids
