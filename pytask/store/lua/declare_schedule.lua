-- Store a schedule as a worker's code declares it. An existing one keeps its next time unless its trigger has changed.
-- KEYS  schedules schedule_hashes
-- ARGV  name task queue data trigger next missed  next in Unix milliseconds, or +inf
-- ANSWER NEW, CHANGED, SAME, MISSED (it is new or has a new time, which is past), REFUSED (its key is not a hash)
local hash = schedule_hashes .. name
local v = redis.pcall('HMGET', hash, 'task', 'queue', 'data', 'trigger', 'paused')
if v.err then return 'REFUSED' end
local is_there = redis.call('ZSCORE', schedules, name)
local has_trigger = is_there and v[4] == trigger
if has_trigger and v[1] == task and v[2] == queue and v[3] == data then return 'SAME' end
redis.call('HSET', hash, 'task', task, 'queue', queue, 'data', data, 'trigger', trigger)
if has_trigger then return 'CHANGED' end
redis.call('HDEL', hash, 'last_at', 'last_run', 'missed')
if missed == '1' then redis.call('HSET', hash, 'missed', 1) end
redis.call('ZADD', schedules, v[5] and '+inf' or next, name)
return missed == '1' and 'MISSED' or is_there and 'CHANGED' or 'NEW'
