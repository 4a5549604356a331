-- Release ended runs: the end handler has returned. One with a count of 0 has run again meanwhile: that is another end.
-- KEYS  runs end_task
-- ARGV  ...  ids
-- ANSWER the number released
local let_go = 0
for i = rest, #ARGV do
  if redis.pcall('HGET', runs .. ARGV[i], 'unhandled') ~= '0' then
    redis.call('ZREM', end_task, ARGV[i])
    redis.pcall('HDEL', runs .. ARGV[i], 'unhandled')
    let_go = let_go + 1
  end
end
return let_go
