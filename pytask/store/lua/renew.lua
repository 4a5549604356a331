-- Renew leases by token, expired ones too as long as nobody recovered them. Who lives for long is no culprit.
-- KEYS  runs leases
-- ARGV  lease_ms ...  of each run: id, token
-- ANSWER id, verdict of those to act on: LOST (another's now), GONE (no hash), STOP and its grace, RELOAD, SEND, and
-- PAUSED beside these; ended ones are passed over
-- include clock guilt reminders
redis.call('ZREM', leases, '') -- harmless, and never refused: see finish
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
