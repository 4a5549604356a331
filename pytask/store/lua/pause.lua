-- Pause a run. A waiting run is held. A running one keeps its lease and halts at its next control point.
-- KEYS  runs due held
-- ARGV  id
-- ANSWER APPLIED, REQUESTED, REFUSED (pytask's own tasks), NOT_FOUND, or the end state it already has
-- include clock event hold
redis.call('ZREM', held, '') -- harmless and never refused: see finish
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'attempt', 'local', 'paused', 'queue')
if v.err or not v[1] then return 'NOT_FOUND' end
if v[4] and string.sub(v[1], 1, 7) == 'pytask/' then return 'REFUSED' end
if v[2] and v[2] ~= '' and v[2] ~= 'WAIT' and v[2] ~= 'RUNNING' then return v[2] end
if not v[5] then
  redis.call('HSET', key, 'paused', now)
  publish(id, 'paused', 'null', 0)
end
redis.call('HSET', key, 'reason', 'paused')
if v[2] == 'RUNNING' then
  redis.call('PUBLISH', key .. '-control', '{"command":"pause","attempt":' .. (v[3] or '0') .. ',"at":' .. now .. '}')
  return 'REQUESTED'
end
redis.call('HDEL', key, 'parked')
if v[6] then hold(id) end -- else another client started it, in an unknown queue: the claim that meets it holds it
return 'APPLIED'
