-- Grant waiting runs to a worker, oldest first, each with a lease. The list entry is only a hint: an id whose
-- hash does not say WAIT, or that holds a lease, is dropped. An id leaves its list last, so an error loses none.
-- KEYS  runs line leases due dead parked parked_names ended record worker_hash
-- ARGV  worker nonce lease_ms limit max_bytes queue parked_task  (one of the last two is '': a parked list is claimed whole)
-- ANSWER {OK, more, {dead id, why, …}, {parked id, task, …}, id, task, data, attempt, …} or {UNREGISTERED}
-- include clock event usable aside
local tasks = redis.call('HGET', worker_hash, 'tasks')
if not tasks then return {'UNREGISTERED'} end
local reply, granted, bytes, known = {'OK', 0, buried_now, parked_now}, {}, 0, {}

local function grant(id, task, data, attempt)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4] = id, task, data, attempt
  bytes = bytes + #data
end

-- The same nonce again: the reply was lost on its way. The same grant, as far as it still holds.
local before = redis.call('LRANGE', record, 0, -1)
if before[1] == nonce then
  for i = 2, #before do
    local v = redis.call('HMGET', runs .. before[i], 'token', 'state', 'task', 'data', 'attempt')
    if v[2] == 'RUNNING' and v[1] == v[5] .. ':' .. nonce .. ':' .. worker then
      redis.call('ZADD', leases, now_ms + lease_ms, before[i])
      grant(before[i], v[3], v[4] or '{}', v[5])
    end
  end
  reply[2] = 1
  return reply
end

local function knows(task)
  if known[task] == nil then
    known[task] = parked_task ~= ''
      or not string.find(task, '\n', 1, true) and string.find(tasks, '\n' .. task .. '\n', 1, true) ~= nil
  end
  return known[task]
end

local function forget_last_time(id, was_ended)
  redis.call('HDEL', runs .. id, 'reason', 'parked', 'ended', 'output', 'progress')
  if not was_ended then return end
  for _, state in ipairs({'STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION'}) do
    redis.call('ZREM', ended .. state, id)
  end
end

local function take(id)
  local v = redis.pcall('HMGET', runs .. id, 'task', 'state', 'data', 'attempt', 'created', 'queue', 'reason', 'ended')
  if v.err then return bury(id, 'its key is not a hash') end
  local task, state = v[1], v[2]
  local home = queue ~= '' and queue or v[6] or 'default'
  if not task then -- pushed before its hash: look again in a second
    redis.call('HSET', runs .. id, 'queue', home)
    redis.call('ZADD', due, now_ms + 1000, id)
    return
  end
  if (state and state ~= '' and state ~= 'WAIT') or redis.call('ZSCORE', leases, id) then return end
  if not knows(task) then return park(id, task, home) end
  if v[7] or v[8] then forget_last_time(id, v[8]) end
  local attempt = string.format('%d', (tonumber(v[4]) or 0) + 1)
  redis.call('HSET', runs .. id, 'state', 'RUNNING', 'worker', worker, 'attempt', attempt, 'queue', home,
    'token', attempt .. ':' .. nonce .. ':' .. worker, 'created', v[5] or now, 'started', now)
  publish(id, 'running', '{"worker":"' .. worker .. '","attempt":' .. attempt .. '}', 0)
  table.insert(granted, id)
  grant(id, task, v[3] or '{}', attempt)
end

local ids = redis.call('LRANGE', line, -limit, -1)
if #ids > 0 then redis.call('HSET', worker_hash, 'claimed', now) end -- when memory is full: refused, and all of it
local looked = 0
for i = #ids, 1, -1 do
  local why = not_usable(ids[i])
  if why then bury(ids[i], why) else take(ids[i]) end
  looked = looked + 1
  if bytes > tonumber(max_bytes) then break end
end
if #granted > 0 then
  local scores = {}
  for i, id in ipairs(granted) do
    scores[2 * i - 1], scores[2 * i] = now_ms + lease_ms, id
  end
  redis.call('ZADD', leases, unpack(scores))
  redis.call('DEL', record)
  redis.call('RPUSH', record, nonce, unpack(granted))
  redis.call('PEXPIRE', record, 2 * lease_ms)
end
redis.call('LTRIM', line, 0, -looked - 1)
if redis.call('EXISTS', line) == 1 then
  if #granted < tonumber(limit) then reply[2] = 1 end
elseif parked_task ~= '' then
  redis.call('SREM', parked_names, parked_task)
end
return reply
