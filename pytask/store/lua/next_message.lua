-- Take out the message that has been handled, and answer with the one that is first then; for the holder of the token
-- only.
-- KEYS  runs inboxes
-- ARGV  id token handled  handled is how the message begins, '' for none
-- ANSWER {OK, message}, {OK} where there is none, {STALE} (not the holder)
-- include inbox
local key = runs .. id
local v = redis.pcall('HMGET', key, 'token', 'state', 'inbox')
if v[1] ~= token or v[2] ~= 'RUNNING' then return {'STALE'} end
return {'OK', take_out(id, handled, v[3]) or nil}
