-- The answer to a claim. If its reply was lost, the caller asks again with the same nonce and gets the same runs.
local extras = {}
local reply, bytes = {'OK', 0, buried_now, parked_now, extras}, 0

local function grant(id, task, data, attempt, waited_ms, timeout, inbox)
  local at = #reply
  if timeout or inbox then -- few runs have either
    local to = #extras
    extras[to + 1], extras[to + 2], extras[to + 3] = id, timeout or '', inbox and 1 or 0
  end
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4], reply[at + 5] = id, task, data, attempt, waited_ms
  bytes = bytes + #data
end

-- Grant again what this nonce was granted and still holds; return false if the nonce is new.
local function has_granted_again()
  local before = redis.call('LRANGE', record, 0, -1)
  if before[1] ~= nonce then return false end
  for i = 2, #before do
    local v = redis.call('HMGET', runs .. before[i], 'token', 'state', 'task', 'data', 'attempt', 'timeout', 'inbox')
    if v[2] == 'RUNNING' and v[1] == v[5] .. ':' .. nonce .. ':' .. worker then
      redis.call('ZADD', leases, now_ms + lease_ms, before[i])
      grant(before[i], v[3], v[4] or '{}', v[5], -1, v[6], v[7])
    end
  end
  reply[2] = 1
  return true
end

-- Write the lease of each granted run and the record of this grant.
local function lease(granted)
  local scores = {}
  for i, id in ipairs(granted) do
    scores[2 * i - 1], scores[2 * i] = now_ms + lease_ms, id
  end
  redis.call('ZADD', leases, unpack(scores))
  redis.call('DEL', record)
  redis.call('RPUSH', record, nonce, unpack(granted))
  redis.call('PEXPIRE', record, 2 * lease_ms)
end
