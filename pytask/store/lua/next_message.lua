-- Remove the message that was handled and return the next one; only for the holder of the token.
-- KEYS  runs inboxes
-- ARGV  id token handled  handled is the beginning of the message, '' for none
-- ANSWER {OK, message}, {OK} if there is none, {STALE} (not the holder)
-- include inbox
local key = runs .. id
local v = redis.pcall('HMGET', key, 'token', 'state', 'inbox')
if v[1] ~= token or v[2] ~= 'RUNNING' then return {'STALE'} end
return {'OK', take_out(id, handled, v[3]) or nil}
