-- Delete ended runs: hash, index and everything they own. Runs marked `keep` and runs that wait for the end handler
-- stay, unless `takes_kept` is 1.
-- KEYS  runs ended end_task end_handler inboxes messages flows
-- ARGV  takes_kept ...  ids
-- ANSWER for each id: OK, KEPT, NOT_FOUND, or the state of one that has not ended
local function forget(id)
  for _, state in ipairs({'STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION'}) do
    redis.call('ZREM', ended .. state, id)
  end
end
local is_handed_on = redis.call('EXISTS', end_handler) == 1
local function is_wanted(id) return is_handed_on and redis.call('ZSCORE', end_task, id) end
local answers = {}
for i = rest, #ARGV do
  local id = ARGV[i]
  local v = redis.pcall('HMGET', runs .. id, 'task', 'state', 'keep', 'unhandled')
  if v.err or not v[1] then
    forget(id)
    table.insert(answers, 'NOT_FOUND')
  elseif not v[2] or v[2] == '' or v[2] == 'WAIT' or v[2] == 'RUNNING' then
    table.insert(answers, v[2] == 'RUNNING' and 'RUNNING' or 'WAIT')
  elseif (v[3] or v[4] and is_wanted(id)) and takes_kept ~= '1' then
    table.insert(answers, 'KEPT')
  else
    redis.call('ZREM', ended .. v[2], id)
    if v[4] then redis.call('ZREM', end_task, id) end
    redis.call('UNLINK', runs .. id, inboxes .. id, messages .. id, flows .. id)
    table.insert(answers, 'OK')
  end
end
return answers
