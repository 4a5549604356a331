-- Renew leases by token, expired ones too as long as nobody recovered them. Who lives for long is no culprit.
-- KEYS  runs leases
-- ARGV  lease_ms ...  of each run: id, token
-- ANSWER id, verdict of those to act on: LOST (another's now), GONE (no hash), STOP and its grace, RELOAD, SEND, and
-- PAUSED beside these; ended ones are passed over
-- include clock guilt told
redis.call('ZREM', leases, '') -- harmless, and never refused: see finish
local verdicts, scores = {}, {}
local function say(id, verdict)
  table.insert(verdicts, id)
  table.insert(verdicts, verdict)
end
for i = rest, #ARGV, 2 do
  local id = ARGV[i]
  local v = redis.pcall('HMGET', runs .. id, 'token', 'state', 'stop', 'attempt', 'reload_id', 'crashes', 'started', 'paused',
    'inbox', 'grace')
  if v[1] ~= ARGV[i + 1] then
    say(id, (v[1] or v[2]) and 'LOST' or 'GONE')
  elseif v[2] == 'RUNNING' then
    table.insert(scores, now_ms + lease_ms)
    table.insert(scores, id)
    local what = told(v[4], v[3], v[10], v[5]) or v[9] and 'SEND'
    if what then say(id, what) end
    if v[8] then say(id, 'PAUSED') end
    if v[6] then judge(id, v[6], now_ms / 1000 - (tonumber(v[7]) or 0)) end
  end
end
if #scores > 0 then redis.call('ZADD', leases, unpack(scores)) end
return verdicts
