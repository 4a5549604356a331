-- Record how attempts ended: state, lease, index, counter and event together, only for the holder of the token.
-- KEYS  runs lines leases due held ended stats end_task end_handler inboxes messages flows
-- ARGV  ...  of each run: id, token, state, reason, output, seq
-- ANSWER for each run: OK, DUP (already recorded), STALE (not the holder)
-- include clock event line flow wake relatives end guilt
-- Harmless. When memory is full, Redis refuses a script at its first write, if that may use memory; this one may not,
-- so the outcome is recorded all the same.
redis.call('ZREM', leases, '')
local answers, done, scores, counts = {}, {}, {}, {}
for i = rest, #ARGV, 6 do
  local id, token, state, reason, output = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local key = runs .. id
  local v = redis.pcall('HMGET', key, 'token', 'state', 'task', 'stop', 'reload_id', 'local', 'paused', 'inbox', 'parent')
  if v[1] ~= token then
    pardon(id, token)
    table.insert(answers, 'STALE')
  elseif v[2] ~= 'RUNNING' then
    table.insert(answers, v[2] == 'WAIT' and 'STALE' or 'DUP')
  else
    if v[4] or v[5] or v[7] then
      redis.call('HDEL', key, 'stop', 'grace', 'reload_data', 'reload_id', 'reloading', 'paused', 'reason')
    end
    if reason == '' then
      redis.call('HSET', key, 'state', state, 'output', output, 'ended', now)
    else
      redis.call('HSET', key, 'state', state, 'output', output, 'ended', now, 'reason', reason)
    end
    if v[6] then
      redis.call('PERSIST', key)
      redis.call('PERSIST', messages .. id)
    end
    if v[8] then empty_inbox(id) end
    if is_handed_on then hand_on(id) end
    table.insert(done, id)
    scores[state] = scores[state] or {}
    table.insert(scores[state], now_ms)
    table.insert(scores[state], id)
    local counter = state .. ':' .. (v[3] or '')
    counts[counter] = (counts[counter] or 0) + 1
    publish(id, string.lower(state), #output <= 65536 and output or 'null', ARGV[i + 5])
    if v[9] or v[3] == FLOW then end_kin(id, v[3], v[9], state, output) end
    table.insert(answers, 'OK')
  end
end
if #done > 0 then redis.call('ZREM', leases, unpack(done)) end
for state, pairs_of_state in pairs(scores) do redis.call('ZADD', ended .. state, unpack(pairs_of_state)) end
for counter, n in pairs(counts) do redis.call('HINCRBY', stats, counter, n) end
return answers
