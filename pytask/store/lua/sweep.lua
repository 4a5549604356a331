-- Give every run that says RUNNING but has no lease an overdue lease, so that it is recovered. Looks at one page.
-- KEYS  runs leases
-- ARGV  cursor count
-- ANSWER {next cursor, the number of leases given}
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
