-- Give parked runs a better reason: the worker that does not know their task suggests similar names.
-- KEYS  runs
-- ARGV  ...  of each run: id, reason
-- ANSWER the number still parked
local said = 0
for i = rest, #ARGV, 2 do
  local v = redis.pcall('HMGET', runs .. ARGV[i], 'state', 'parked')
  if v[1] == 'WAIT' and v[2] then
    redis.call('HSET', runs .. ARGV[i], 'reason', ARGV[i + 1])
    said = said + 1
  end
end
return said
