-- Publish a task's own events in order and keep its progress and messages; only for the holder of the token.
-- KEYS  runs messages
-- ARGV  ...  of each event: id, token, done, target (both '' if it is not progress), event without its end, seq,
-- JSON text to keep or ''
-- ANSWER the number published
-- include clock
local MOST, LOCAL_TTL_MS = 1000, 86400000

-- If memory is full, nothing is kept, but the event is still published.
local function keep(id, text, has_messages, is_local)
  local list = messages .. id
  if not has_messages then
    local written = redis.pcall('HSET', runs .. id, 'messages', 1)
    if type(written) == 'table' then return end
    redis.call('UNLINK', list) -- left by a run with this id that another client deleted
  end
  if type(redis.pcall('RPUSH', list, '{"at":' .. now .. ',"text":' .. text .. '}')) == 'table' then return end
  redis.call('LTRIM', list, -MOST, -1)
  if is_local then redis.call('PEXPIRE', list, LOCAL_TTL_MS) end -- its hash is forgotten if its worker dies
end

local published = 0
for i = rest, #ARGV, 7 do
  local id, done, target, kept = ARGV[i], ARGV[i + 2], ARGV[i + 3], ARGV[i + 6]
  local v = redis.pcall('HMGET', runs .. id, 'token', 'state', 'messages', 'local')
  if v[1] == ARGV[i + 1] and v[2] == 'RUNNING' then
    if done ~= '' then redis.pcall('HSET', runs .. id, 'progress', done) end
    if target ~= '' then redis.pcall('HSET', runs .. id, 'target', target) end
    if kept ~= '' then keep(id, kept, v[3], v[4]) end
    redis.call('PUBLISH', runs .. id, ARGV[i + 4] .. ',"at":' .. now .. ',"seq":' .. ARGV[i + 5] .. '}')
    published = published + 1
  end
end
return published
