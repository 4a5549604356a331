-- Pause a schedule: until it is resumed it has no next time.
-- KEYS  schedules schedule_hashes
-- ARGV  name
-- ANSWER APPLIED, NOT_FOUND
-- include clock
redis.call('ZREM', schedules, '') -- harmless and never refused: see finish
if not redis.call('ZSCORE', schedules, name) then return 'NOT_FOUND' end
redis.call('HSETNX', schedule_hashes .. name, 'paused', now)
redis.call('ZADD', schedules, '+inf', name)
return 'APPLIED'
