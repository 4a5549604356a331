-- Begin a local run: it belongs to its worker, holds no lease, and is forgotten when the worker dies.
-- KEYS  runs
-- ARGV  id task data worker token ttl_ms
-- ANSWER OK
-- include clock event
redis.call('HSET', runs .. id, 'task', task, 'data', data, 'state', 'RUNNING', 'worker', worker, 'token', token,
  'attempt', '1', 'created', now, 'started', now, 'local', '1')
redis.call('PEXPIRE', runs .. id, ttl_ms)
publish(id, 'running', '{"worker":"' .. worker .. '","attempt":1}', 0)
return 'OK'
