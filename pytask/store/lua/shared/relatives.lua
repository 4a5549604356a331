-- What the end of a run means to others: the flow that waits for it is woken, and the children of a flow stop with it.
local end_run -- defined in `end`

-- Store the end of a child with its flow, which may read it long after the child was pruned.
local function tell_parent(parent, id, state, output)
  if redis.pcall('HGET', runs .. parent, 'child') ~= id then return end
  redis.call('HSET', flows .. parent, 'ended', state, 'offload', output)
  wake(parent)
end

local function stop_child(id, parent)
  local key = runs .. id
  local v = redis.pcall('HMGET', key, 'parent', 'task', 'state', 'attempt')
  if v[1] ~= parent then return end
  if v[3] == 'RUNNING' then
    redis.call('HSET', key, 'stop', v[4] or '0')
    redis.call('PUBLISH', key .. '-control', '{"command":"stop","attempt":' .. (v[4] or '0') .. '}')
  elseif v[3] == 'WAIT' then
    redis.call('ZREM', due, id)
    redis.call('ZREM', held, id)
    end_run(id, v[2], 'STOPPED', 'stop')
  end
end

local function end_flow(id, state, output)
  local key = runs .. id
  local v = redis.call('HMGET', key, 'position', 'children')
  redis.call('HDEL', key, 'wait', 'until', 'child', 'draft')
  redis.call('HDEL', flows .. id, 'ended', 'offload')
  if state == 'SUCCESS' then return end
  if state ~= 'STOPPED' then redis.call('HSET', flows .. id, 'error:' .. (v[1] or '0'), output) end
  for n = 1, tonumber(v[2]) or 0 do stop_child(id .. '.' .. n, id) end
end

local function end_kin(id, task, parent, state, output)
  if task == FLOW then end_flow(id, state, output) end
  if parent then tell_parent(parent, id, state, output) end
end
