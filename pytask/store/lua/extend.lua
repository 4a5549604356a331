-- Give a run more time. If it runs, this attempt may take that many seconds from now, never fewer than it has left.
-- If it waits, they are added to its own `timeout`, which is a total, or `+seconds` on top of its task's.
-- KEYS  runs
-- ARGV  id seconds
-- ANSWER APPLIED, REQUESTED, REFUSED (pytask's own tasks, a timeout that is not a number), NOT_FOUND, or the end state
-- include clock
local key = runs .. id
local v = redis.pcall('HMGET', key, 'task', 'state', 'attempt', 'local', 'timeout', 'extended')
local task, state, attempt, timeout = v[1], v[2], v[3] or '0', v[5]
if v.err or not task then return 'NOT_FOUND' end
redis.call('HDEL', key, '') -- harmless and never refused: see finish
if v[4] and string.sub(task, 1, 7) == 'pytask/' then return 'REFUSED' end
if state == 'RUNNING' then
  local before, until_ms = string.match(v[6] or '', '^(%d+):(%d+)$')
  local now_until = now_ms + math.ceil(seconds * 1000)
  if before ~= attempt or now_until > tonumber(until_ms) then
    redis.call('HSET', key, 'extended', attempt .. ':' .. string.format('%.0f', now_until))
  end
  redis.call('PUBLISH', key .. '-control', '{"command":"extend","attempt":' .. attempt .. ',"seconds":' .. seconds .. '}')
  return 'REQUESTED'
end
if state and state ~= '' and state ~= 'WAIT' then return state end
local total = tonumber(timeout or '0')
if not total then return 'REFUSED' end
local is_more = not timeout or string.sub(timeout, 1, 1) == '+'
redis.call('HSET', key, 'timeout', (is_more and '+' or '') .. string.format('%.14g', total + seconds))
return 'APPLIED'
