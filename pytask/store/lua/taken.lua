-- Take out the message that has been handled, and answer with the one that is first then; for the holder of the token
-- only.
-- KEYS  runs inboxes
-- ARGV  id token handled  handled is how the message begins, '' for none
-- ANSWER {OK, message}, {OK} where there is none, {STALE} (not the holder)
local key, inbox = runs .. id, inboxes .. id
local v = redis.pcall('HMGET', key, 'token', 'state', 'inbox')
if v[1] ~= token or v[2] ~= 'RUNNING' then return {'STALE'} end
local first = redis.call('LINDEX', inbox, 0)
if first and handled ~= '' and string.sub(first, 1, #handled) == handled then
  redis.call('LPOP', inbox) -- never refused, and then the HSET is not either: see finish
  redis.call('HSET', key, 'inbox', math.max(0, (tonumber(v[3]) or 0) - #first))
  first = redis.call('LINDEX', inbox, 0)
end
while first == '' do -- by foreign hands, and no message
  redis.call('LPOP', inbox)
  first = redis.call('LINDEX', inbox, 0)
end
if not first then redis.call('HDEL', key, 'inbox') end
return {'OK', first or nil}
