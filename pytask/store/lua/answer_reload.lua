-- Record the result of a reload. On success the new data replaces the run's data, in the same attempt and lease.
-- KEYS  runs
-- ARGV  id token reload_id error data seq
-- ANSWER OK, STALE (not the holder)
-- include clock event
local key = runs .. id
local v = redis.pcall('HMGET', key, 'token', 'state')
if v[1] ~= token or v[2] ~= 'RUNNING' then return 'STALE' end
if error == '' then
  redis.call('HSET', key, 'reloaded', reload_id)
  if reload_id ~= '' then redis.call('HSET', key, 'data', data) end -- no id: the hash has it
  publish(id, 'reloaded', 'null', seq)
else
  redis.call('HSET', key, 'reloaded', reload_id .. ' ' .. error)
end
if redis.call('HGET', key, 'reload_id') == reload_id then redis.call('HDEL', key, 'reload_data', 'reload_id', 'reloading') end
return 'OK'
