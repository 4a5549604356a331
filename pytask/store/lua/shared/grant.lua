-- The answer to a claim, and how it is given again: a claim whose reply was lost asks with the same nonce.
local with_messages = {}
local reply, bytes = {'OK', 0, buried_now, parked_now, with_messages}, 0

local function grant(id, task, data, attempt, waited_ms)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3], reply[at + 4], reply[at + 5] = id, task, data, attempt, waited_ms
  bytes = bytes + #data
end

-- Grant again what this nonce was granted, as far as it still holds; false where it is a new one.
local function has_granted_again()
  local before = redis.call('LRANGE', record, 0, -1)
  if before[1] ~= nonce then return false end
  for i = 2, #before do
    local v = redis.call('HMGET', runs .. before[i], 'token', 'state', 'task', 'data', 'attempt', 'inbox')
    if v[2] == 'RUNNING' and v[1] == v[5] .. ':' .. nonce .. ':' .. worker then
      redis.call('ZADD', leases, now_ms + lease_ms, before[i])
      if v[6] then table.insert(with_messages, before[i]) end
      grant(before[i], v[3], v[4] or '{}', v[5], -1)
    end
  end
  reply[2] = 1
  return true
end

-- Write the lease of each granted run, and the record of this grant.
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
