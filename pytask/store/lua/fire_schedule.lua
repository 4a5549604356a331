-- Fire a schedule: start its run and set its next time, but only if it is still due when the caller saw it. A second
-- caller finds another time, so one firing is one run, whichever workers fire it and however often.
-- KEYS  schedules schedule_hashes runs lines queues
-- ARGV  name at next id  at in Unix milliseconds, next too, or +inf
-- ANSWER OK, EXISTS (its run exists already), STALE (it was fired, moved or removed, or is not due), REFUSED (the key
-- of its queue is not a list)
-- include clock line
local stands_at = tonumber(redis.call('ZSCORE', schedules, name))
if stands_at ~= tonumber(at) or stands_at > now_ms then return 'STALE' end
local hash = schedule_hashes .. name
local v = redis.pcall('HMGET', hash, 'task', 'queue', 'data')
if not v[1] or not v[2] or not v[3] then return 'STALE' end -- another client changed the hash
local is_new = redis.pcall('HEXISTS', runs .. id, 'task') == 0
if is_new then
  -- The first write: if memory is full, the whole script is refused.
  local pushed = redis.pcall('LPUSH', line_of(v[2]), id)
  if type(pushed) == 'table' then return string.find(pushed.err, 'WRONGTYPE') and 'REFUSED' or pushed end
  redis.call('HSET', runs .. id, 'task', v[1], 'data', v[3], 'state', 'WAIT', 'queue', v[2], 'created', now)
  redis.call('SADD', queues, v[2])
end
redis.call('HSET', hash, 'last_at', string.format('%.3f', at / 1000), 'last_run', id)
redis.call('ZADD', schedules, next, name)
return is_new and 'OK' or 'EXISTS'
