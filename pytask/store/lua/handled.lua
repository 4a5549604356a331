-- Let go of ended runs: the end handler has returned.
-- KEYS  runs end_task
-- ARGV  ...  ids
-- ANSWER how many
for i = rest, #ARGV do
  redis.call('ZREM', end_task, ARGV[i])
  redis.pcall('HDEL', runs .. ARGV[i], 'unhandled')
end
return #ARGV - rest + 1
