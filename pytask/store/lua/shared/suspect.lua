-- Suspects: runs with two crashes. A worker takes one of them, and more only after that one has ended or outlived
-- its time, so that in the end the culprit is alone when its worker dies. The time doubles with each crash in company.
local PATIENCE_S = 10

-- Tell how many of the suspects held by this worker are running, or nil where it is too early for more.
local function still_held()
  local running = 0
  for i = rest, #ARGV do
    local v = redis.pcall('HMGET', runs .. ARGV[i], 'state', 'worker', 'started', 'crashes', 'alone')
    if v[1] == 'RUNNING' and v[2] == worker then
      local doublings = (tonumber(v[4]) or 0) - SUSPECT_AT - (tonumber(v[5]) or 0)
      if now_ms / 1000 < (tonumber(v[3]) or 0) + PATIENCE_S * 2 ^ math.max(0, doublings) then return nil end
      running = running + 1
    end
  end
  return running
end

-- Write down who is alone. The number is of the crashes it had so: evidence, lost in company.
local function mark(granted, others)
  if #granted + others == 1 then return redis.call('HSETNX', runs .. granted[1], 'alone', 0) end
  for _, id in ipairs(granted) do redis.call('HDEL', runs .. id, 'alone') end
  for i = rest, #ARGV do redis.pcall('HDEL', runs .. ARGV[i], 'alone') end
end
