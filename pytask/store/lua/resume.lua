-- Resume a paused run. One that was held goes to the front of its queue: it has waited.
-- KEYS  runs lines held
-- ARGV  id
-- ANSWER APPLIED, REQUESTED, REFUSED (pytask's own tasks), NOT_FOUND, or the state of one that was not paused
-- include clock event line
local was_held = redis.call('ZSCORE', held, id)
redis.call('ZREM', held, '') -- harmless and never refused: see finish
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'attempt', 'local', 'paused', 'queue', 'draft')
if v.err or not v[1] then
  redis.call('ZREM', held, id)
  return 'NOT_FOUND'
end
if v[4] and string.sub(v[1], 1, 7) == 'pytask/' then return 'REFUSED' end
local state = v[2] and v[2] ~= '' and v[2] or 'WAIT'
if not v[5] or state ~= 'WAIT' and state ~= 'RUNNING' then return state end
redis.call('HDEL', key, 'paused', 'reason')
if v[7] then redis.call('HSET', key, 'reason', 'not submitted') end -- it stays held
publish(id, 'resumed', 'null', 0)
if state == 'RUNNING' then
  redis.call('PUBLISH', key .. '-control', '{"command":"resume","attempt":' .. (v[3] or '0') .. ',"at":' .. now .. '}')
  return 'REQUESTED'
end
if was_held and not v[7] then
  redis.call('RPUSH', line_of(v[6]), id)
  redis.call('ZREM', held, id)
end
return 'APPLIED'
