-- Trials of suspects: a worker takes half of those that died together, and no more until each of them has ended or is
-- acquitted. So in the end the culprit is alone when its worker dies.

-- Return true if this worker is trying a suspect; the rest of ARGV has those it holds.
local function is_trying()
  for i = rest, #ARGV do
    local v = redis.pcall('HMGET', runs .. ARGV[i], 'state', 'worker', 'crashes')
    if v[1] == 'RUNNING' and v[2] == worker and is_suspect(ARGV[i], v[3]) then return true end
  end
end

-- Suspects are not parked, or they would go back and forth between both lists. After a day any worker takes them.
local function is_for_me(id, is_known, queues, home)
  if not string.find(',' .. (queues or '') .. ',', ',' .. home .. ',', 1, true) then return false end
  return is_known or now_ms / 1000 > (tonumber(redis.call('HGET', runs .. id, 'started')) or now) + 86400
end

-- Return the index of the last suspect to try now; they are taken from the end of `ids`. It is half of those with as
-- many crashes as the first one; after a trial that was survived, twice as many as in that trial, unless these have crashed
-- more often. Stale and repeated entries do not count: they go with the entry before them.
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

-- Record the size of the trial, and start counting if a suspect is alone: deaths in company prove nothing.
local function try(granted)
  local crashes = redis.call('HGET', runs .. granted[1], 'crashes')
  redis.call('HSET', worker_hash, 'trial', (crashes or 0) .. ' ' .. #granted)
  if #granted == 1 and is_suspect(granted[1], crashes) then return redis.call('HSETNX', runs .. granted[1], 'alone', 0) end
  for _, id in ipairs(granted) do redis.call('HDEL', runs .. id, 'alone') end
end
