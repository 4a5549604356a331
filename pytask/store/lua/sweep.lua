-- Give runs that say RUNNING without a lease an overdue one: else nobody would ever recover them. A page at a time.
-- KEYS  runs leases
-- ARGV  cursor count
-- ANSWER {next cursor, how many}
-- include clock
local page = redis.call('SCAN', cursor, 'MATCH', runs .. '*', 'COUNT', count, 'TYPE', 'hash')
local mended = 0
for _, key in ipairs(page[2]) do
  local id = string.sub(key, #runs + 1)
  local v = redis.pcall('HMGET', key, 'state', 'local')
  if v[1] == 'RUNNING' and not v[2] and not redis.call('ZSCORE', leases, id) then
    redis.call('ZADD', leases, now_ms, id)
    mended = mended + 1
  end
end
return {page[1], mended}
