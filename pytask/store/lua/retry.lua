-- Run an ended run again: same id, same data, next attempt. A flow resumes at the given step, else at the one where it
-- ended, or after a success at its first; results from there on are deleted.
-- KEYS  runs lines ended end_task flows
-- ARGV  id position
-- ANSWER APPLIED, REFUSED (a local run, or a step of a run that is not a flow), NOT_FOUND, or the state of one that has
-- not ended
-- include clock event line flow guilt revive
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'queue', 'local')
if v.err or not v[1] then return 'NOT_FOUND' end
if v[4] or position ~= '' and v[1] ~= FLOW then return 'REFUSED' end
if not v[2] or v[2] == '' or v[2] == 'WAIT' or v[2] == 'RUNNING' then return v[2] == 'RUNNING' and 'RUNNING' or 'WAIT' end
live_again(id, v[2])
if v[1] == FLOW and (position ~= '' or v[2] == 'SUCCESS') then
  local first = tonumber(redis.call('HGET', flows .. id, 'first')) or 0
  local from = tonumber(position) or first
  redis.call('HSET', key, 'position', from)
  redis.call('HDEL', key, 'step') -- its worker finds it
  if from <= first then redis.call('HDEL', flows .. id, 'saved') end
  local all = redis.call('HGETALL', flows .. id)
  for i = 1, #all, 2 do
    local at = string.match(all[i], '^(%d+):') or string.match(all[i], '^%l+:(%d+)$') -- a result; an error or a mark
    if (tonumber(at) or -1) >= from then redis.call('HDEL', flows .. id, all[i]) end
  end
end
redis.call('LPUSH', line_of(v[3]), id)
publish(id, 'wait', '{"reason":"retry"}', 0)
return 'APPLIED'
