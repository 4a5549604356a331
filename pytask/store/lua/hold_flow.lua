-- Hold a flow without a lease until its time comes, a message arrives, or the child that it starts here ends.
-- KEYS  runs lines queues leases due held ended stats end_task end_handler inboxes flows
-- ARGV  id token reason until_ms check_ms saved message is_child_over ...  then, to start a child: its queue, task,
-- data, and if it is a flow, its steps, the task of the first one, and its routine
-- ANSWER {OK}, {STALE} (not the holder)
-- include clock event line flow wake relatives end guilt handover hold inbox
redis.call('ZREM', leases, '') -- harmless and never refused: see finish
local key, flow = runs .. id, flows .. id
local v = redis.pcall('HMGET', key, 'token', 'state', 'task', 'stop', 'attempt', 'paused', 'inbox', 'children')
if v[1] ~= token or v[2] ~= 'RUNNING' then
  pardon(id, token)
  return {'STALE'}
end
redis.call('ZREM', leases, id)
redis.call('HDEL', key, 'token', 'worker')
if v[4] and v[4] == v[5] then
  end_run(id, v[3], 'STOPPED', 'stop')
  return {'OK'}
end

local function start_child(queue, task, data, steps, step, routine)
  local n = tonumber(v[8]) or 0
  repeat n = n + 1 until redis.pcall('HEXISTS', runs .. id .. '.' .. n, 'task') == 0
  local child = id .. '.' .. n
  redis.call('HSET', key, 'children', n, 'child', child)
  redis.call('HDEL', flow, 'ended', 'offload')
  redis.call('HSET', runs .. child, 'task', task, 'data', data, 'state', 'WAIT', 'queue', queue, 'created', now,
    'parent', id)
  if steps then
    redis.call('HSET', runs .. child, 'position', 0, 'step', step)
    redis.call('HSET', flows .. child, 'steps', steps, 'routine', routine)
  end
  redis.call('LPUSH', line_of(queue), child)
  redis.call('SADD', queues, queue)
end

hand_over_reload(id, false)
forgive(id) -- a run that kills its workers does not get this far
redis.call('HSET', flow, 'saved', saved)
redis.call('HSET', key, 'state', 'WAIT', 'reason', reason, 'wait', reason, 'until', until_ms)
if is_child_over == '1' then
  redis.call('HDEL', key, 'child')
  redis.call('HDEL', flow, 'ended', 'offload')
end
if ARGV[rest] then start_child(unpack(ARGV, rest)) end
local at = math.min(tonumber(until_ms) or math.huge, check_ms ~= '' and now_ms + check_ms or math.huge)
redis.call('ZADD', held, at == math.huge and '+inf' or string.format('%.0f', at), id)
if v[6] then hold(id) end
publish(id, 'wait', cjson.encode({reason = reason}), 0)
-- Whatever arrived while the step was being checked is handled next.
if take_out(id, message, v[7]) or redis.call('HEXISTS', flow, 'ended') == 1 then wake(id) end
return {'OK'}
