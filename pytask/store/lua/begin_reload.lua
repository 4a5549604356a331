-- Give the data of a requested reload to the owner and record the progress. `building`: the new instance is being made;
-- if the worker dies meanwhile, the data is not tried again. `built`: the data is good, even if the worker dies later.
-- KEYS  runs
-- ARGV  id token step reload_id
-- ANSWER {reload_id or '', new data or nil, present data}, or nothing where the caller is not the holder
local key = runs .. id
local v = redis.pcall('HMGET', key, 'token', 'state', 'reload_id', 'reload_data', 'data')
if v[1] ~= token or v[2] ~= 'RUNNING' then return {} end
-- `building` takes any request but the last one, which is under way; `built` confirms the one that was taken.
if v[3] and (step == 'building' and v[3] ~= reload_id or step == 'built' and v[3] == reload_id) then
  redis.call('HSET', key, 'reloading', v[3] .. ' ' .. step)
end
return {v[3] or '', v[4], v[5] or '{}'}
