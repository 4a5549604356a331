-- Settle a reload that the worker did not finish, for a run that waits again. If the instance was built, its data is
-- good and becomes the run's. If the worker died while building it, the reload is refused, as the next worker might die of
-- it too. Otherwise the next worker takes it up.
local function hand_over_reload(id, is_dead)
  local key = runs .. id
  local v = redis.call('HMGET', key, 'reload_id', 'reload_data', 'reloading')
  if not v[1] then return end
  if v[3] == v[1] .. ' built' then
    if v[2] then redis.call('HSET', key, 'data', v[2]) end
    redis.call('HSET', key, 'reloaded', v[1])
  elseif v[3] == v[1] .. ' building' and is_dead then
    redis.call('HSET', key, 'reloaded', v[1] .. ' its worker died while the new instance was made')
  else
    return redis.call('HDEL', key, 'reloading')
  end
  redis.call('HDEL', key, 'reload_data', 'reload_id', 'reloading')
end
