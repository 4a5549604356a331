-- Accept a flow and hold it until it is submitted. An id that is in use is left alone.
-- KEYS  runs held flows
-- ARGV  id queue position step steps routine name
-- ANSWER OK, EXISTS
-- include clock flow
if redis.pcall('HEXISTS', runs .. id, 'task') ~= 0 then return 'EXISTS' end
redis.call('HSET', runs .. id, 'task', FLOW, 'data', '{}', 'state', 'WAIT', 'queue', queue, 'created', now,
  'reason', 'not submitted', 'draft', '1', 'position', position, 'step', step)
redis.call('DEL', flows .. id) -- left by a flow with this id whose hash another client deleted
redis.call('HSET', flows .. id, 'steps', steps, 'routine', routine, 'name', name, 'first', position)
redis.call('ZADD', held, '+inf', id)
return 'OK'
