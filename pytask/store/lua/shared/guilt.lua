-- Guilt: whether workers die because of a run. After two deaths it is a suspect. Five deaths in a row as the only
-- suspect of its worker convict it; fewer prove nothing where workers are killed for other reasons every minute or so.
local SUSPECT_AT, CONVICTED_AT = 2, 5
-- A run that survived its trial may die beside suspects again. Only after this many more deaths is it one itself.
local CREDIT = 16

local function is_suspect(id, crashes)
  crashes = tonumber(crashes) or 0
  return crashes >= SUSPECT_AT and crashes >= SUSPECT_AT + (tonumber(redis.pcall('HGET', runs .. id, 'acquitted')) or 0)
end
local function is_convict(alone) return (tonumber(alone) or 0) >= CONVICTED_AT end

local function forgive(id) redis.call('HDEL', runs .. id, 'crashes', 'alone', 'fallen', 'lived', 'acquitted') end

-- After a minute of life all is forgiven. A suspect is acquitted once it lives twice as long as before, 10 to 30 s.
local function judge(id, crashes, age_s)
  if age_s > 60 then return forgive(id) end
  local lived_s = tonumber(redis.call('HGET', runs .. id, 'lived')) or 0
  if age_s < math.max(10, math.min(30, 2 * lived_s)) or not is_suspect(id, crashes) then return end
  redis.call('HSET', runs .. id, 'acquitted', math.floor(tonumber(crashes)) + CREDIT)
  redis.call('HDEL', runs .. id, 'alone', 'fallen', 'lived')
end

local function add(id, field, n) -- another client may have written something else
  local now_it_is = redis.pcall('HINCRBY', runs .. id, field, n)
  if type(now_it_is) == 'number' then return now_it_is end
  redis.call('HSET', runs .. id, field, math.max(0, n))
  return math.max(0, n)
end

-- Count the death of a claim's worker; return all deaths, and those as the only suspect.
local function count_crash(id, token, alone, lived_s)
  redis.call('HSET', runs .. id, 'fallen', token or '')
  local before_s = tonumber(redis.call('HGET', runs .. id, 'lived')) or 0
  if lived_s < 60 and lived_s > before_s then redis.call('HSET', runs .. id, 'lived', lived_s) end
  return add(id, 'crashes', 1), alone and add(id, 'alone', 1) or 0
end

-- The worker of this claim is back: it was cut off or frozen, so its death is not counted. An ended run stays ended.
local function pardon(id, token)
  local v = redis.pcall('HMGET', runs .. id, 'fallen', 'alone', 'state')
  if v[1] ~= token or v[3] ~= 'WAIT' and v[3] ~= 'RUNNING' then return end
  redis.call('HDEL', runs .. id, 'fallen')
  add(id, 'crashes', -1)
  if (tonumber(v[2]) or 0) > 0 then add(id, 'alone', -1) end
end
