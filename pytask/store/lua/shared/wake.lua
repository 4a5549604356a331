-- Requeue a held flow; the reason to wake it is stored with it. A paused flow finds it when it is resumed.
local function wake(id)
  local v = redis.pcall('HMGET', runs .. id, 'state', 'wait', 'paused', 'queue')
  if v[1] == 'WAIT' and v[2] and not v[3] and redis.call('ZREM', held, id) == 1 then
    redis.call('LPUSH', line_of(v[4]), id)
  end
end
