-- Record that a worker is alive for one more lease. All workers of a prefix have the same lease length.
-- KEYS  workers worker_hash worker_hashes runs end_handler
-- ARGV  worker lease_ms ttl_ms handles_ends locals ...  as many ids of local runs as `locals` says, then fields
-- and values of the worker's hash
-- ANSWER {the worker's own stop or '', {ids of local runs that Redis has forgotten}, {id, verdict, …, see renew}},
-- or the lease in ms of an older worker, if it differs
-- include clock reminders
redis.call('ZREMRANGEBYSCORE', workers, '-inf', now_ms)
if redis.call('EXISTS', worker_hash) == 0 then
  for _, other in ipairs(redis.call('ZRANGE', workers, 0, -1)) do
    local lease = redis.call('HGET', worker_hashes .. other, 'lease_ms')
    if other ~= worker and lease and lease ~= lease_ms then return lease end
  end
end
redis.call('ZADD', workers, now_ms + ttl_ms, worker)
local fields = rest + tonumber(locals)
local forgotten = {}
for i = rest, fields - 1 do -- one that has ended is kept like any other run
  local v = redis.pcall('HMGET', runs .. ARGV[i], 'attempt', 'stop', 'grace', 'reload_id', 'inbox', 'paused', 'state')
  if v[7] == 'RUNNING' then
    redis.call('PEXPIRE', runs .. ARGV[i], ttl_ms)
    remind(ARGV[i], v)
  elseif not v[7] and not v.err then
    table.insert(forgotten, ARGV[i])
  end
end
redis.call('HSET', worker_hash, 'lease_ms', lease_ms, 'seen', now, unpack(ARGV, fields))
redis.call('PEXPIRE', worker_hash, ttl_ms)
-- Ended runs are kept for the end handler until a day after the last worker with one was seen.
if handles_ends == '1' then redis.call('SET', end_handler, worker, 'EX', 86400) end
return {redis.call('HGET', worker_hash, 'stop') or '', forgotten, verdicts}
