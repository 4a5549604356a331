-- Delete a schedule. A live worker that has it in its code would declare it again, so that is refused.
-- KEYS  schedules schedule_hashes workers worker_hashes
-- ARGV  name
-- ANSWER APPLIED, REFUSED (a live worker has it in its code), NOT_FOUND
-- include clock
if not redis.call('ZSCORE', schedules, name) then return 'NOT_FOUND' end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', workers, now_ms, '+inf')) do
  local names = redis.pcall('HGET', worker_hashes .. worker, 'schedules')
  if type(names) == 'string' and string.find(names, '\n' .. name .. '\n', 1, true) then return 'REFUSED' end
end
redis.call('ZREM', schedules, name)
redis.call('UNLINK', schedule_hashes .. name)
return 'APPLIED'
