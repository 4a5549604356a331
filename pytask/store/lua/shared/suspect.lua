-- Suspects: runs with two crashes. A worker takes half of those that died together, and more only after these have
-- ended or outlived their time, so that in the end the culprit is alone when its worker dies. The time doubles with
-- each crash in company.
local PATIENCE_S = 10

-- Tell how many of the suspects held by this worker are running, or nil where it is too early for more.
local function still_held()
  local running = 0
  for i = rest, #ARGV do
    local v = redis.pcall('HMGET', runs .. ARGV[i], 'state', 'worker', 'started', 'crashes', 'alone')
    if v[1] == 'RUNNING' and v[2] == worker and is_suspect(v[4]) then
      local doublings = tonumber(v[4]) - SUSPECT_AT - (tonumber(v[5]) or 0)
      if now_ms / 1000 < (tonumber(v[3]) or 0) + PATIENCE_S * 2 ^ math.max(0, doublings) then return nil end
      running = running + 1
    end
  end
  return running
end

-- Tell where the first half ends of those that died as often as the first one, which is the last of these.
local function half(ids)
  local same, crashes = 0, nil
  for i = #ids, 1, -1 do
    local of_this = tostring(redis.pcall('HGET', runs .. ids[i], 'crashes'))
    if of_this ~= (crashes or of_this) then break end
    same, crashes = same + 1, of_this
  end
  return #ids - math.ceil(same / 2) + 1
end

-- Write down who is alone. The number is of the crashes it had so: evidence, lost in company.
local function mark(granted, others)
  if #granted + others == 1 then return redis.call('HSETNX', runs .. granted[1], 'alone', 0) end
  for _, id in ipairs(granted) do redis.call('HDEL', runs .. id, 'alone') end
  for i = rest, #ARGV do redis.pcall('HDEL', runs .. ARGV[i], 'alone') end
end
