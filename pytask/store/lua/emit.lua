-- Publish a task's own events, in order, and keep its progress; for the holder of the token only.
-- KEYS  runs
-- ARGV  ...  of each event: id, token, done, target (both '' where it is no progress), event without its end, seq
-- ANSWER how many were published
-- include clock
local published = 0
for i = rest, #ARGV, 6 do
  local id, done, target = ARGV[i], ARGV[i + 2], ARGV[i + 3]
  local v = redis.pcall('HMGET', runs .. id, 'token', 'state')
  if v[1] == ARGV[i + 1] and v[2] == 'RUNNING' then
    if done ~= '' then redis.pcall('HSET', runs .. id, 'progress', done) end
    if target ~= '' then redis.pcall('HSET', runs .. id, 'target', target) end
    redis.call('PUBLISH', runs .. id, ARGV[i + 4] .. ',"at":' .. now .. ',"seq":' .. ARGV[i + 5] .. '}')
    published = published + 1
  end
end
return published
