-- Complete a step of a flow by hand, where it waits or has failed, as if the step had left this value.
-- KEYS  runs lines due held ended stats end_task end_handler inboxes flows
-- ARGV  id position key value forced
-- ANSWER APPLIED, REFUSED (not a flow), NOT_FOUND, MOVED (it is at another step), or the state of one that runs or
-- has succeeded
-- include clock event line flow wake relatives end guilt revive hold inbox
redis.call('ZREM', held, '') -- harmless and never refused: see finish
local run, flow = runs .. id, flows .. id
local v = redis.pcall('HMGET', run, 'task', 'state', 'position', 'child', 'draft', 'paused', 'queue')
if v.err or not v[1] then return 'NOT_FOUND' end
if v[1] ~= FLOW then return 'REFUSED' end
local state = v[2] and v[2] ~= '' and v[2] or 'WAIT'
if state == 'RUNNING' or state == 'SUCCESS' then return state end
if (v[3] or '0') ~= position then return 'MOVED' end
if state ~= 'WAIT' then live_again(id, state) end
redis.call('HSET', flow, position .. ':' .. key, value, 'forced:' .. position, forced)
redis.call('HDEL', flow, 'ended', 'offload')
redis.call('HSET', run, 'position', position + 1)
redis.call('HDEL', run, 'step', 'wait', 'until', 'child', 'parked') -- its worker finds the next step
if v[4] then stop_child(v[4], id) end
forget_submits(id)
publish(id, 'passed', '{"position":' .. position .. ',"key":' .. cjson.encode(key) .. '}', 0)
if v[6] then
  hold(id)
elseif not v[5] then
  redis.call('HDEL', run, 'reason')
  redis.call('ZREM', held, id)
  redis.call('LPUSH', line_of(v[7]), id) -- it may be in a list already: only one entry is claimed
end
return 'APPLIED'
