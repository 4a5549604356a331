-- End one run that no worker is running: state, reason, index, counter and event.

-- If workers have an end handler, `end_task` keeps an ended run until the handler has returned.
local is_handed_on = redis.call('EXISTS', end_handler) == 1
local function hand_on(id)
  redis.call('HSET', runs .. id, 'unhandled', 0)
  redis.call('ZADD', end_task, now_ms, id)
end

-- Messages that a run has not handled are deleted with its end: a retry does not see them.
local function empty_inbox(id)
  redis.call('HDEL', runs .. id, 'inbox')
  redis.call('UNLINK', inboxes .. id)
end

function end_run(id, task, state, reason) -- declared in `relatives`
  redis.call('HSET', runs .. id, 'state', state, 'reason', reason, 'ended', now)
  redis.call('HDEL', runs .. id, 'stop', 'grace', 'reload_data', 'reload_id', 'reloading', 'paused')
  local v = redis.call('HMGET', runs .. id, 'inbox', 'parent', 'output')
  if v[1] then empty_inbox(id) end
  redis.call('ZADD', ended .. state, now_ms, id)
  redis.call('HINCRBY', stats, state .. ':' .. (task or ''), 1)
  if is_handed_on then hand_on(id) end
  publish(id, string.lower(state), 'null', 0)
  if v[2] or task == FLOW then end_kin(id, task, v[2], state, v[3] or 'null') end
end
