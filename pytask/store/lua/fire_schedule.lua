-- Fire a schedule: start its run, and set its next time. Only if it stands where the caller has seen it: who comes second
-- finds another time there, so that one firing is one run, whoever fires, and however often.
-- KEYS  schedules schedule_hashes runs lines queues
-- ARGV  name at next id  at in Unix milliseconds, next too, or +inf
-- ANSWER OK, EXISTS (its run was there), STALE (it has been fired, moved or removed, or is not due), REFUSED (its queue
-- is no list)
-- include clock line
local stands_at = tonumber(redis.call('ZSCORE', schedules, name))
if stands_at ~= tonumber(at) or stands_at > now_ms then return 'STALE' end
local hash = schedule_hashes .. name
local v = redis.pcall('HMGET', hash, 'task', 'queue', 'data')
if not v[1] or not v[2] or not v[3] then return 'STALE' end -- by foreign hands
local is_new = redis.pcall('HEXISTS', runs .. id, 'task') == 0
if is_new then
  -- First of all writes: when memory is full it is refused, and all of it.
  local pushed = redis.pcall('LPUSH', line_of(v[2]), id)
  if type(pushed) == 'table' then return string.find(pushed.err, 'WRONGTYPE') and 'REFUSED' or pushed end
  redis.call('HSET', runs .. id, 'task', v[1], 'data', v[3], 'state', 'WAIT', 'queue', v[2], 'created', now)
  redis.call('SADD', queues, v[2])
end
redis.call('HSET', hash, 'last_at', string.format('%.3f', at / 1000), 'last_run', id)
redis.call('ZADD', schedules, next, name)
return is_new and 'OK' or 'EXISTS'
