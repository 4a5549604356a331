-- Submit a flow: one that was not submitted yet is queued with its data; one that waits gets the data as a message.
-- KEYS  runs lines queues held inboxes
-- ARGV  id data message max_messages max_bytes
-- ANSWER APPLIED (also if it was submitted with this data before), REQUESTED, FULL, TOO_LARGE (the message is ''),
-- REFUSED (not a flow), NOT_FOUND, or the state of one that does not wait
-- include line flow wake inbox
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'data', 'draft', 'wait', 'paused', 'queue', 'inbox')
if v.err or not v[1] then return 'NOT_FOUND' end
if v[1] ~= FLOW then return 'REFUSED' end
local state = v[2] and v[2] ~= '' and v[2] or 'WAIT'
local is_going = state == 'WAIT' or state == 'RUNNING'
if is_going and v[4] then
  redis.call('HSET', key, 'data', data)
  redis.call('HDEL', key, 'draft')
  if v[6] then return 'APPLIED' end -- it is queued when it is resumed
  redis.call('HDEL', key, 'reason')
  redis.call('LPUSH', line_of(v[7]), id)
  redis.call('SADD', queues, v[7] or 'default')
  redis.call('ZREM', held, id)
  return 'APPLIED'
elseif is_going and v[5] then
  if message == '' then return 'TOO_LARGE' end
  if not put_in(id, message, v[8]) then return 'FULL' end
  wake(id)
  return 'REQUESTED'
end
return is_going and v[3] == data and 'APPLIED' or state
