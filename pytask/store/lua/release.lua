-- Requeue runs at the front of their queues; this is not a failure. A run that was told to stop ends as STOPPED
-- instead, and a paused one is held.
-- KEYS  runs lines leases due held ended stats end_task end_handler inboxes flows
-- ARGV  ...  of each run: id, token, reason
-- ANSWER for each run: OK, STALE (not the holder, or already released)
-- include clock event line flow wake relatives end guilt handover hold
redis.call('ZREM', leases, '') -- harmless and never refused: see finish
local answers = {}
for i = rest, #ARGV, 3 do
  local id, token, reason = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local v = redis.pcall('HMGET', runs .. id, 'token', 'state', 'task', 'stop', 'attempt', 'queue', 'paused')
  if v[1] ~= token or v[2] ~= 'RUNNING' then
    pardon(id, token)
    table.insert(answers, 'STALE')
  else
    redis.call('ZREM', leases, id)
    redis.call('HDEL', runs .. id, 'token', 'worker')
    if v[4] and v[4] == v[5] then
      end_run(id, v[3], 'STOPPED', 'stop')
    else
      hand_over_reload(id, false)
      redis.call('HSET', runs .. id, 'state', 'WAIT', 'reason', reason)
      if v[7] then hold(id) else redis.call('RPUSH', line_of(v[6]), id) end
      publish(id, 'wait', cjson.encode({reason = reason}), 0)
    end
    table.insert(answers, 'OK')
  end
end
return answers
