-- Record the step of a flow, and its steps if they were not stored yet. Workers claim a flow by the task of its step.
-- KEYS  runs flows
-- ARGV  id token step steps routine
-- ANSWER OK, STALE (not the holder)
local v = redis.pcall('HMGET', runs .. id, 'token', 'state')
if v[1] ~= token or v[2] ~= 'RUNNING' then return 'STALE' end
redis.call('HSET', runs .. id, 'step', step)
redis.call('HSETNX', runs .. id, 'position', 0)
if steps ~= '' then redis.call('HSET', flows .. id, 'steps', steps, 'routine', routine) end
return 'OK'
