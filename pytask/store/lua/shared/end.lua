-- End one run that no worker is running: a state, a reason, its place among the ended, a count, an event.
local function end_run(id, task, state, reason)
  redis.call('HSET', runs .. id, 'state', state, 'reason', reason, 'ended', now)
  redis.call('HDEL', runs .. id, 'stop', 'reload_data', 'reload_id')
  redis.call('ZADD', ended .. state, now_ms, id)
  redis.call('HINCRBY', stats, state .. ':' .. (task or ''), 1)
  publish(id, string.lower(state), 'null', 0)
end
