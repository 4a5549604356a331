-- Accept runs: write each hash, then put its id in line. An id that is in use is left alone.
-- KEYS  runs lines queues
-- ARGV  ...  of each run: id, queue, task, data, how many seconds it may take or ''
-- ANSWER for each run: OK, EXISTS
-- include clock line
local answers, pushed, names = {}, {}, {}
for i = rest, #ARGV, 5 do
  local id, queue, task, data, timeout = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local found = redis.pcall('HEXISTS', runs .. id, 'task')
  if found == 0 then
    -- The HSET comes first: when memory is full the whole script is refused, and nothing half accepted.
    redis.call('HSET', runs .. id, 'task', task, 'data', data, 'state', 'WAIT', 'queue', queue, 'created', now)
    if timeout ~= '' then redis.call('HSET', runs .. id, 'timeout', timeout) end
    local line = line_of(queue)
    if not pushed[line] then
      pushed[line] = {}
      table.insert(names, queue)
    end
    table.insert(pushed[line], id)
    table.insert(answers, 'OK')
  else
    table.insert(answers, 'EXISTS')
  end
end
for line, ids in pairs(pushed) do
  redis.call('LPUSH', line, unpack(ids))
end
if #names > 0 then redis.call('SADD', queues, unpack(names)) end
return answers
