-- Run an ended run again: same id, same data, next attempt.
-- KEYS  runs lines ended end_task
-- ARGV  id
-- ANSWER APPLIED, REFUSED (a local run belonged to its worker), NOT_FOUND, or the state of one that has not ended
-- include clock event line guilt
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'queue', 'local')
if v.err or not v[1] then return 'NOT_FOUND' end
if v[4] then return 'REFUSED' end
if not v[2] or v[2] == '' or v[2] == 'WAIT' or v[2] == 'RUNNING' then return v[2] == 'RUNNING' and 'RUNNING' or 'WAIT' end
redis.call('HSET', key, 'state', 'WAIT')
redis.call('HDEL', key, 'token', 'worker', 'reason', 'output', 'started', 'ended', 'progress', 'target', 'stop',
  'grace', 'unhandled', 'at')
forgive(id)
redis.call('ZREM', ended .. v[2], id)
redis.call('ZREM', end_task, id)
redis.call('LPUSH', line_of(v[3]), id)
publish(id, 'wait', '{"reason":"retry"}', 0)
return 'APPLIED'
