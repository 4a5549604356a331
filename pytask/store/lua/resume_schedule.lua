-- Resume a paused schedule; the caller computes its next time. Firings missed during the pause are not made up.
-- KEYS  schedules schedule_hashes
-- ARGV  name next missed  next in Unix milliseconds, or +inf
-- ANSWER APPLIED, REFUSED (it was not paused), NOT_FOUND
redis.call('ZREM', schedules, '') -- harmless and never refused: see finish
if not redis.call('ZSCORE', schedules, name) then return 'NOT_FOUND' end
if redis.call('HDEL', schedule_hashes .. name, 'paused') == 0 then return 'REFUSED' end
if missed == '1' then redis.call('HSET', schedule_hashes .. name, 'missed', 1) end
redis.call('ZADD', schedules, next, name)
return 'APPLIED'
