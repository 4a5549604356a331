-- Say better why runs are parked: the worker that did not know their task knows which names are near.
-- KEYS  runs
-- ARGV  ...  of each run: id, reason
-- ANSWER how many were still parked
local said = 0
for i = rest, #ARGV, 2 do
  local v = redis.pcall('HMGET', runs .. ARGV[i], 'state', 'parked')
  if v[1] == 'WAIT' and v[2] then
    redis.call('HSET', runs .. ARGV[i], 'reason', ARGV[i + 1])
    said = said + 1
  end
end
return said
