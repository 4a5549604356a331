-- Record the value of a step and move the flow to the next one. Messages and children of the step are dealt with.
-- KEYS  runs flows inboxes
-- ARGV  id token position key value step saved message  step is the task of the next step, '' after the last
-- ANSWER OK, STALE (not the holder)
-- include clock event inbox guilt
local run = runs .. id
local v = redis.pcall('HMGET', run, 'token', 'state', 'position', 'inbox', 'crashes')
if v[1] ~= token or v[2] ~= 'RUNNING' then return 'STALE' end
local at = tonumber(v[3]) or 0
if at == position + 1 then return 'OK' end -- a repeated call: the first answer was lost
if at ~= tonumber(position) then return 'STALE' end
redis.call('HSET', flows .. id, position .. ':' .. key, value, 'saved', saved)
redis.call('HDEL', flows .. id, 'ended', 'offload')
redis.call('HSET', run, 'position', at + 1, 'step', step)
if step == '' then redis.call('HDEL', run, 'step') end
redis.call('HDEL', run, 'wait', 'until', 'child', 'extended') -- extra time was for this step alone
if v[4] then
  take_out(id, message, v[4])
  forget_submits(id)
end
if v[5] then forgive(id) end -- a run that kills its workers does not get this far
publish(id, 'passed', '{"position":' .. at .. ',"key":' .. cjson.encode(key) .. '}', 0)
return 'OK'
