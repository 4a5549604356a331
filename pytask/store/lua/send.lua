-- Put a message into a run's inbox and tell its worker. A waiting run receives it when it starts; a held flow is woken.
-- KEYS  runs lines held inboxes
-- ARGV  id message max_messages max_bytes local_ttl_ms
-- ANSWER REQUESTED, FULL, REFUSED (pytask's own tasks), NOT_FOUND, or the end state it already has
-- include line flow wake inbox
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'local', 'inbox')
if v.err or not v[1] then return 'NOT_FOUND' end
if v[3] and string.sub(v[1], 1, 7) == 'pytask/' then return 'REFUSED' end
if v[2] and v[2] ~= '' and v[2] ~= 'WAIT' and v[2] ~= 'RUNNING' then return v[2] end
if not put_in(id, message, v[4]) then return 'FULL' end
if v[3] then redis.call('PEXPIRE', inboxes .. id, local_ttl_ms) end -- its hash is forgotten if its worker dies
if v[2] == 'RUNNING' then redis.call('PUBLISH', key .. '-control', '{"command":"send"}') end
if v[1] == FLOW then wake(id) end
return 'REQUESTED'
