-- Grant waiting runs to a worker, oldest first, each with a lease. The list entry is only a hint: an id whose hash
-- does not say WAIT is dropped; one that holds a lease is checked again in a second. Ids leave their list last, so
-- an error loses none.
-- KEYS  runs line leases due held dead paused parked parked_names suspects ended record worker_hash
-- ARGV  worker nonce lease_ms limit max_bytes queue parked_task ...  queue, parked_task, or neither for suspects;
-- parked runs and suspects may belong to any queue. The rest, for suspects: the ids of those that this worker holds
-- ANSWER {OK, more, {dead id, why, …}, {parked id, task, …}, {id, its own timeout, 1 if it has messages, …},
-- id, task, data, attempt, ms in the queue or -1, …} or {UNREGISTERED} or {PAUSED}
-- include clock event flow usable set_aside grant guilt suspect hold paused
local serves = redis.call('HMGET', worker_hash, 'tasks', 'queues')
if not serves[1] then return {'UNREGISTERED'} end
if has_granted_again() then return reply end
if is_trying() then return reply end
if is_paused('queue', queue) or is_paused('task', parked_task) then return {'PAUSED'} end
local granted, known, passed = {}, {}, {}

local function knows(task, reason)
  if parked_task ~= '' and parked_task == task and reason ~= 'paused' then return true end -- or no worker has for a day
  if known[task] == nil then
    known[task] = not string.find(task, '\n', 1, true)
      and string.find(serves[1], '\n' .. task .. '\n', 1, true) ~= nil
  end
  return known[task]
end

local function forget_last_time(id, was_ended)
  redis.call('HDEL', runs .. id, 'reason', 'parked', 'ended', 'output', 'progress', 'target')
  if line ~= suspects then redis.call('HDEL', runs .. id, 'alone') end -- it now runs beside others
  if not was_ended then return end
  forgive(id)
  redis.call('HDEL', runs .. id, 'unhandled')
  for _, state in ipairs({'STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION'}) do
    redis.call('ZREM', ended .. state, id)
  end
end

-- Return true if a run goes elsewhere: a new suspect to the suspects, and one for other workers back to its list.
local function is_elsewhere(id, task, crashes, home)
  if line ~= suspects then
    if not is_suspect(id, crashes) or type(redis.pcall('LPUSH', suspects, id)) == 'table' then return false end
    redis.call('HSET', runs .. id, 'state', 'WAIT', 'queue', home, 'reason', crashes .. ' workers died with it')
    return true
  end
  return not is_for_me(id, knows(task), serves[2], home) and (table.insert(passed, id) or true)
end

local function take(id)
  local v = redis.pcall('HMGET', runs .. id, 'task', 'state', 'data', 'attempt', 'created', 'queue', 'reason', 'ended',
    'crashes', 'paused', 'timeout', 'inbox', 'step')
  if v.err then return bury(id, 'its key is not a hash') end
  local task, state = v[1] == FLOW and v[13] or v[1], v[2] -- of a flow: its step's
  local home = queue ~= '' and queue or v[6] or 'default'
  if not task then -- pushed before its hash: check again in a second
    redis.call('HSET', runs .. id, 'queue', home)
    redis.call('ZADD', due, now_ms + 1000, id)
    return
  end
  if state and state ~= '' and state ~= 'WAIT' then return end
  if redis.call('ZSCORE', leases, id) then return redis.call('ZADD', due, now_ms + 1000, id) end -- it may be running
  if is_kept_back(id, task, home, v[10], passed) then return end
  if line ~= suspects and not knows(task, v[7]) then return park(id, task, home) end
  local crashes = not v[8] and v[9] -- `ended` is set: they are from before the retry
  if (crashes or line == suspects) and is_elsewhere(id, task, crashes, home) then return end
  if v[4] or v[7] or v[8] then forget_last_time(id, v[8]) end
  if v[1] == FLOW then -- it may be held too, if it was in its list twice
    redis.call('ZREM', held, id)
    redis.call('HDEL', runs .. id, 'draft')
  end
  local attempt = string.format('%d', (tonumber(v[4]) or 0) + 1)
  redis.call('HSET', runs .. id, 'state', 'RUNNING', 'worker', worker, 'attempt', attempt, 'queue', home,
    'token', attempt .. ':' .. nonce .. ':' .. worker, 'created', v[5] or now, 'started', now)
  publish(id, 'running', '{"worker":"' .. worker .. '","attempt":' .. attempt .. '}', 0)
  table.insert(granted, id)
  -- Only a first attempt has been waiting since it was created.
  grant(id, v[1], v[3] or '{}', attempt, v[4] and -1 or math.max(0, now_ms - (tonumber(v[5]) or now_ms / 1000) * 1000),
    v[11], v[12])
end

local ids = redis.call('LRANGE', line, -limit, -1)
if #ids > 0 then redis.call('HSET', worker_hash, 'claimed', now) end -- if memory is full, all of this is refused
local looked = 0
for i = #ids, line == suspects and trial(ids) or 1, -1 do
  local why = not_usable(ids[i])
  if why then bury(ids[i], why) else take(ids[i]) end
  looked = looked + 1
  if bytes > tonumber(max_bytes) then break end
end
if #granted > 0 then lease(granted) end
if #granted > 0 and line == suspects then try(granted) end
redis.call('LTRIM', line, 0, -looked - 1)
if #passed > 0 then redis.call('LPUSH', line, unpack(passed)) end
if redis.call('EXISTS', line) == 1 then
  if #granted < tonumber(limit) then reply[2] = 1 end
elseif parked_task ~= '' then
  redis.call('SREM', parked_names, parked_task)
end
return reply
