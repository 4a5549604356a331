-- Park a paused run where no worker looks. One whose time has not come yet stays in `due`: it is held when it is met.
local function hold(id)
  redis.call('HSET', runs .. id, 'state', 'WAIT', 'reason', 'paused')
  if not redis.call('ZSCORE', due, id) then redis.call('ZADD', held, '+inf', id) end
end
