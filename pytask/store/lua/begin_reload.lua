-- Begin a reload: give its data to the owner, and write down how far that is. `building` stands while the new instance
-- is made: data that a worker dies of then is not tried again. `built` data is good, whatever becomes of the worker.
-- KEYS  runs
-- ARGV  id token step reload_id
-- ANSWER {reload_id or '', new data or nil, present data}, or nothing where the caller is not the holder
local key = runs .. id
local v = redis.pcall('HMGET', key, 'token', 'state', 'reload_id', 'reload_data', 'data')
if v[1] ~= token or v[2] ~= 'RUNNING' then return {} end
-- The one that was built, or whichever is wanted now; the same as was built before is under way.
if v[3] and (step == 'building' and v[3] ~= reload_id or step == 'built' and v[3] == reload_id) then
  redis.call('HSET', key, 'reloading', v[3] .. ' ' .. step)
end
return {v[3] or '', v[4], v[5] or '{}'}
