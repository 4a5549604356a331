-- Reset an ended run to WAIT; the caller queues it or holds it.
local function live_again(id, state)
  redis.call('HSET', runs .. id, 'state', 'WAIT')
  redis.call('HDEL', runs .. id, 'token', 'worker', 'reason', 'output', 'started', 'ended', 'progress', 'target', 'stop',
    'grace', 'unhandled', 'at')
  forgive(id)
  redis.call('ZREM', ended .. state, id)
  redis.call('ZREM', end_task, id)
end
