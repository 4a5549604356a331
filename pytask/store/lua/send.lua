-- Put a message into a run's inbox, then tell its worker. What waits hears it when it starts.
-- KEYS  runs inboxes
-- ARGV  id message max_messages max_bytes local_ttl_ms
-- ANSWER REQUESTED, FULL, REFUSED (pytask's own tasks), NOT_FOUND, or the end state it already has
local key, inbox = runs .. id, inboxes .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'local', 'inbox')
if v.err or not v[1] then return 'NOT_FOUND' end
if v[3] and string.sub(v[1], 1, 7) == 'pytask/' then return 'REFUSED' end
if v[2] and v[2] ~= '' and v[2] ~= 'WAIT' and v[2] ~= 'RUNNING' then return v[2] end
local bytes, count = tonumber(v[4]) or 0, redis.call('LLEN', inbox)
if v[4] and (count >= tonumber(max_messages) or bytes + #message > tonumber(max_bytes)) then return 'FULL' end
redis.call('HSET', key, 'inbox', bytes + #message) -- first: when memory is full the whole script is refused
if not v[4] then redis.call('UNLINK', inbox) end -- of another run with this id, deleted by foreign hands
redis.call('RPUSH', inbox, message)
if v[3] then redis.call('PEXPIRE', inbox, local_ttl_ms) end -- its hash may be forgotten with its worker
if v[2] == 'RUNNING' then redis.call('PUBLISH', key .. '-control', '{"command":"send"}') end
return 'REQUESTED'
