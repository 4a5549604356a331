-- Guilt: when a run is taken for what its workers die of. Two deaths make a suspect; five in a row as the only suspect
-- of a worker convict. Fewer are no evidence where workers are killed for other reasons, every minute or so.
local SUSPECT_AT, CONVICTED_AT = 2, 5

local function is_suspect(crashes) return (tonumber(crashes) or 0) >= SUSPECT_AT end
local function is_convict(alone) return (tonumber(alone) or 0) >= CONVICTED_AT end

local function add(id, field, n) -- foreign hands may have written what is no number
  local now_it_is = redis.pcall('HINCRBY', runs .. id, field, n)
  if type(now_it_is) == 'number' then return now_it_is end
  redis.call('HSET', runs .. id, field, math.max(0, n))
  return math.max(0, n)
end

-- Count the death of a claim's worker; return how many there were, and how many as the only suspect.
local function count_crash(id, token, alone)
  redis.call('HSET', runs .. id, 'fallen', token or '')
  return add(id, 'crashes', 1), alone and add(id, 'alone', 1) or 0
end

-- The worker of this claim speaks: it was cut off or frozen, not dead, and what was counted never was.
local function pardon(id, token)
  local v = redis.pcall('HMGET', runs .. id, 'fallen', 'alone')
  if v[1] ~= token then return end
  redis.call('HDEL', runs .. id, 'fallen')
  add(id, 'crashes', -1)
  if (tonumber(v[2]) or 0) > 0 then add(id, 'alone', -1) end
end
