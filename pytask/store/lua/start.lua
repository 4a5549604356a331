-- Accept runs: write each hash, then push its id onto its queue, or into `due` if its time has not come. An id that
-- is in use is left alone.
-- KEYS  runs lines queues due
-- ARGV  ...  of each run: id, queue, task, data, timeout in seconds or '', due time in Unix milliseconds,
-- +milliseconds from now, or ''
-- ANSWER for each run: OK, EXISTS
-- include clock line
local answers, pushed, names = {}, {}, {}

local function when(text)
  return string.sub(text, 1, 1) == '+' and now_ms + tonumber(text) or tonumber(text)
end

for i = rest, #ARGV, 6 do
  local id, queue, task, data, timeout = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local found = redis.pcall('HEXISTS', runs .. id, 'task')
  if found == 0 then
    -- The HSET comes first: if memory is full, the whole script is refused and no run is half accepted.
    redis.call('HSET', runs .. id, 'task', task, 'data', data, 'state', 'WAIT', 'queue', queue, 'created', now)
    if timeout ~= '' then redis.call('HSET', runs .. id, 'timeout', timeout) end
    local at = ARGV[i + 5] ~= '' and when(ARGV[i + 5]) or 0
    if at > now_ms then
      redis.call('HSET', runs .. id, 'at', string.format('%.3f', at / 1000))
      redis.call('ZADD', due, at, id)
    end
    local line = line_of(queue)
    if not pushed[line] then
      pushed[line] = {}
      table.insert(names, queue)
    end
    if at <= now_ms then table.insert(pushed[line], id) end
    table.insert(answers, 'OK')
  else
    table.insert(answers, 'EXISTS')
  end
end
for line, ids in pairs(pushed) do
  if #ids > 0 then redis.call('LPUSH', line, unpack(ids)) end
end
if #names > 0 then redis.call('SADD', queues, unpack(names)) end
return answers
