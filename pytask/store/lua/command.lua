-- Write a command down, then tell the owner. What waits is obeyed here and now.
-- KEYS  runs ended stats due held end_task end_handler inboxes
-- ARGV  id command data command_id
-- ANSWER APPLIED, REQUESTED, REFUSED (pytask's own tasks), NOT_FOUND, or the end state it already has
-- include clock event end
redis.call('ZREM', held, '') -- harmless, and never refused: see finish
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'attempt', 'local', 'ended')
local task, state, attempt = v[1], v[2], v[3] or '0'
if v.err or not task then return 'NOT_FOUND' end
if v[4] and string.sub(task, 1, 7) == 'pytask/' then return 'REFUSED' end
if state == 'RUNNING' then
  if command == 'stop' then
    redis.call('HSET', key, 'stop', attempt)
    redis.call('PUBLISH', key .. '-control', '{"command":"stop","attempt":' .. attempt .. '}')
  else
    if data ~= '' then redis.call('HSET', key, 'reload_data', data) end
    redis.call('HSET', key, 'reload_id', command_id)
    redis.call('PUBLISH', key .. '-control', '{"command":"reload","attempt":' .. attempt .. ',"id":"' .. command_id .. '"}')
  end
  return 'REQUESTED'
end
if state and state ~= '' and state ~= 'WAIT' then return state end
if command == 'stop' then
  redis.call('ZREM', due, id)
  redis.call('ZREM', held, id)
  if v[5] then -- started again by foreign hands
    for _, old in ipairs({'STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION'}) do redis.call('ZREM', ended .. old, id) end
  end
  end_run(id, task, 'STOPPED', 'stop') -- its entry in the list is left alone: no claim takes it now
elseif data ~= '' then
  redis.call('HSET', key, 'data', data)
end
return 'APPLIED'
