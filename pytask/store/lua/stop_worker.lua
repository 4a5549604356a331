-- Tell a worker to stop: published, and recorded for its next registration to read.
-- KEYS  workers worker_hash
-- ARGV  worker
-- ANSWER REQUESTED, NOT_FOUND (it is not alive)
-- include clock
redis.call('ZREM', workers, '') -- harmless and never refused: see finish
if tonumber(redis.call('ZSCORE', workers, worker) or 0) <= now_ms then return 'NOT_FOUND' end
if redis.call('EXISTS', worker_hash) == 0 then return 'NOT_FOUND' end
redis.call('HSET', worker_hash, 'stop', 1)
redis.call('PUBLISH', worker_hash .. '-control', '{"command":"stop","is_durable":true}')
return 'REQUESTED'
