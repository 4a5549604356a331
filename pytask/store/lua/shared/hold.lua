-- Put a paused run where no worker claims. One whose time has not come stays in `due`; a later claim holds it.
local function hold(id)
  redis.call('HSET', runs .. id, 'state', 'WAIT', 'reason', 'paused')
  if not redis.call('ZSCORE', due, id) then redis.call('ZADD', held, '+inf', id) end
end
