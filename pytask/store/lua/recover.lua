-- Requeue overdue runs. The caller saw each of these deadlines overdue half a lease ago; one that has not changed
-- was not renewed since. A crash is counted only if the owner is gone too. A run that is convicted by it waits in
-- `due` until its worker has had time to come back: see promote.
-- KEYS  runs lines suspects leases due held ended stats workers end_task end_handler inboxes flows
-- ARGV  lease_ms ...  of each run: id, the deadline seen
-- ANSWER the ids requeued or ended
-- include clock event line flow wake relatives end guilt handover hold
redis.call('ZREM', leases, '') -- harmless and never refused: see finish
local recovered = {}
local function is_overdue(deadline)
  return deadline <= now_ms or deadline > now_ms + 2 * lease_ms -- too far ahead: the server's clock was set back
end
local function put_back(id, v, deadline)
  if v[6] and v[6] == v[3] then return end_run(id, v[2], 'STOPPED', 'stop') end
  local is_alive = v[4] and tonumber(redis.call('ZSCORE', workers, v[4]) or 0) > now_ms
  local crashes, alone = 0, 0
  if not is_alive then crashes, alone = count_crash(id, v[8], v[7], (deadline - lease_ms) / 1000 - (tonumber(v[9]) or 0)) end
  redis.call('HDEL', runs .. id, 'token', 'stop', 'grace')
  hand_over_reload(id, not is_alive)
  redis.call('HSET', runs .. id, 'state', 'WAIT', 'reason', is_alive and 'lost by its worker' or 'its worker died')
  if is_convict(alone) then
    redis.call('ZADD', due, now_ms + 2 * lease_ms, id)
  elseif v[10] then
    hold(id)
  -- To the front: suspects that crashed together are tried next.
  elseif not is_suspect(id, crashes) or type(redis.pcall('RPUSH', suspects, id)) == 'table' then
    redis.call('LPUSH', line_of(v[5]), id)
  end
  publish(id, 'wait', '{"reason":"recovered"}', 0)
end
for i = rest, #ARGV, 2 do
  local id = ARGV[i]
  local deadline = redis.call('ZSCORE', leases, id)
  if deadline and tonumber(deadline) == tonumber(ARGV[i + 1]) and is_overdue(tonumber(deadline)) then
    local v = redis.pcall('HMGET', runs .. id, 'state', 'task', 'attempt', 'worker', 'queue', 'stop', 'alone',
      'token', 'started', 'paused')
    redis.call('ZREM', leases, id)
    if v[1] == 'RUNNING' then
      put_back(id, v, tonumber(deadline))
      table.insert(recovered, id)
    end
  end
end
return recovered
