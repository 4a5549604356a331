-- Renew leases by token, also expired ones that were not recovered. A run that lives long enough is acquitted.
-- KEYS  runs leases
-- ARGV  lease_ms ...  of each run: id, token
-- ANSWER id, verdict of those to act on: LOST (another worker's), GONE (no hash), STOP and its grace, RELOAD, SEND;
-- PAUSED comes in addition. Ended runs are skipped
-- include clock guilt reminders
redis.call('ZREM', leases, '') -- harmless and never refused: see finish
local scores = {}
for i = rest, #ARGV, 2 do
  local id = ARGV[i]
  local v = redis.pcall('HMGET', runs .. id, 'attempt', 'stop', 'grace', 'reload_id', 'inbox', 'paused', 'token', 'state',
    'crashes', 'started')
  if v[7] ~= ARGV[i + 1] then
    say(id, (v[7] or v[8]) and 'LOST' or 'GONE')
  elseif v[8] == 'RUNNING' then
    table.insert(scores, now_ms + lease_ms)
    table.insert(scores, id)
    remind(id, v)
    if v[9] then judge(id, v[9], now_ms / 1000 - (tonumber(v[10]) or 0)) end
  end
end
if #scores > 0 then redis.call('ZADD', leases, unpack(scores)) end
return verdicts
