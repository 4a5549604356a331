-- Record a command, then publish it to the owner. A waiting run is changed at once.
-- An owner that received a bare word sends it here with the attempt it runs: that is recorded and not published.
-- KEYS  runs lines ended stats due held end_task end_handler inboxes flows
-- ARGV  id command data command_id grace attempt
-- ANSWER APPLIED, REQUESTED, REFUSED (pytask's own tasks), NOT_FOUND, the end state it already has, or STALE if another
-- attempt was meant
-- include clock event line flow wake relatives end
redis.call('ZREM', held, '') -- harmless and never refused: see finish
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'attempt', 'local', 'ended', 'stop', 'grace')
local task, state, now_runs = v[1], v[2], v[3] or '0'
if v.err or not task then return 'NOT_FOUND' end
if v[4] and string.sub(task, 1, 7) == 'pytask/' then return 'REFUSED' end
local is_meant = attempt == '' or attempt == now_runs

local function tell(more)
  if attempt ~= '' then return end
  redis.call('PUBLISH', key .. '-control', '{"command":"' .. command .. '","attempt":' .. now_runs .. more .. '}')
end

if state == 'RUNNING' and is_meant then
  if command == 'stop' then
    local is_again = v[6] == now_runs
    redis.call('HSET', key, 'stop', now_runs)
    if not is_again then redis.call('HDEL', key, 'grace') end
    if grace ~= '' and not (is_again and v[7] and (tonumber(v[7]) or math.huge) <= tonumber(grace)) then
      redis.call('HSET', key, 'grace', grace) -- the shortest of several wins
    end
    tell(grace ~= '' and ',"grace":' .. grace or '')
  else
    if data ~= '' then redis.call('HSET', key, 'reload_data', data) end -- else a pending request keeps its data
    redis.call('HSET', key, 'reload_id', command_id)
    tell(',"id":"' .. command_id .. '"')
  end
  return 'REQUESTED'
end
if state and state ~= '' and state ~= 'WAIT' and state ~= 'RUNNING' then return state end
if attempt ~= '' then return 'STALE' end
if command == 'stop' then
  redis.call('ZREM', due, id)
  redis.call('ZREM', held, id)
  if v[5] then -- another client started it again
    for _, old in ipairs({'STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION'}) do redis.call('ZREM', ended .. old, id) end
  end
  end_run(id, task, 'STOPPED', 'stop') -- its list entry stays: no claim takes it now
else
  local new = data ~= '' and data or redis.call('HGET', key, 'reload_data') -- requested in an earlier attempt
  if new then redis.call('HSET', key, 'data', new) end
  redis.call('HDEL', key, 'reload_data', 'reload_id', 'reloading')
end
return 'APPLIED'
