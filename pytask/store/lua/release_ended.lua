-- Let go of ended runs: the end handler has returned. One that nobody has taken ran again meanwhile: this end is another.
-- KEYS  runs end_task
-- ARGV  ...  ids
-- ANSWER how many
local let_go = 0
for i = rest, #ARGV do
  if redis.pcall('HGET', runs .. ARGV[i], 'unhandled') ~= '0' then
    redis.call('ZREM', end_task, ARGV[i])
    redis.pcall('HDEL', runs .. ARGV[i], 'unhandled')
    let_go = let_go + 1
  end
end
return let_go
