-- Suspects are tried: a worker takes half of those that died together, and no more until each of these has ended or is
-- acquitted, so that in the end the culprit is alone when its worker dies.

-- Tell whether this worker is trying one; ARGV says which it holds.
local function is_trying()
  for i = rest, #ARGV do
    local v = redis.pcall('HMGET', runs .. ARGV[i], 'state', 'worker', 'crashes')
    if v[1] == 'RUNNING' and v[2] == worker and is_suspect(ARGV[i], v[3]) then return true end
  end
end

-- Suspects are not parked: who found them again would put them back here, and so on. So this is their day's limit.
local function is_for_me(id, is_known, queues, home)
  if not string.find(',' .. (queues or '') .. ',', ',' .. home .. ',', 1, true) then return false end
  return is_known or now_ms / 1000 > (tonumber(redis.call('HGET', runs .. id, 'started')) or now) + 86400
end

-- Tell where those to be tried now end; the first is the last of these. Half of those that died as often as the first;
-- after a trial that was outlived, twice as many as then, unless these have died more often. Entries that are none any
-- more, and second ones of the same run, do not count: they go with those before them.
local function trial(ids)
  local waiting, seen, same, crashes = {}, {}, 0, nil
  for i = #ids, 1, -1 do
    local v = redis.pcall('HMGET', runs .. ids[i], 'state', 'crashes')
    if v[1] == 'WAIT' and not seen[ids[i]] then
      seen[ids[i]] = true
      table.insert(waiting, i)
      if #waiting == 1 then crashes = v[2] end
      if v[2] == crashes and same == #waiting - 1 then same = #waiting end
    end
  end
  local outlived, size = string.match(redis.call('HGET', worker_hash, 'trial') or '', '^(%d+) (%d+)$')
  size = outlived and (tonumber(crashes) or 0) <= tonumber(outlived) and 2 * size or 0
  local after = waiting[math.max(size, math.ceil(same / 2)) + 1]
  return after and after + 1 or 1
end

-- Write down how many died how often, and who is alone: the number of its crashes so is the evidence, lost in company.
local function try(granted)
  local crashes = redis.call('HGET', runs .. granted[1], 'crashes')
  redis.call('HSET', worker_hash, 'trial', (crashes or 0) .. ' ' .. #granted)
  if #granted == 1 and is_suspect(granted[1], crashes) then return redis.call('HSETNX', runs .. granted[1], 'alone', 0) end
  for _, id in ipairs(granted) do redis.call('HDEL', runs .. id, 'alone') end
end
