-- Put a message into an inbox that now has `bytes` bytes; return false if it is full.
local function put_in(id, message, bytes)
  local inbox, size = inboxes .. id, (tonumber(bytes) or 0) + #message
  if bytes and (redis.call('LLEN', inbox) >= tonumber(max_messages) or size > tonumber(max_bytes)) then return false end
  redis.call('HSET', runs .. id, 'inbox', size) -- first: if memory is full, the whole script is refused
  if not bytes then redis.call('UNLINK', inbox) end -- left by a run with this id that another client deleted
  redis.call('RPUSH', inbox, message)
  return true
end

-- Delete what was submitted to the step that a flow has left: it was not meant for the next one.
local function forget_submits(id)
  local messages, left = redis.call('LRANGE', inboxes .. id, 0, -1), 0
  redis.call('UNLINK', inboxes .. id)
  for _, message in ipairs(messages) do
    if string.find(message, '{"name":"submit"', 17, true) ~= 17 then
      redis.call('RPUSH', inboxes .. id, message)
      left = left + #message
    end
  end
  redis.call('HSET', runs .. id, 'inbox', left)
  if left == 0 then redis.call('HDEL', runs .. id, 'inbox') end
end

-- Remove the first message if it begins with `handled`; return the first one left.
local function take_out(id, handled, bytes)
  local inbox = inboxes .. id
  local first = redis.call('LINDEX', inbox, 0)
  if first and handled ~= '' and string.sub(first, 1, #handled) == handled then
    redis.call('LPOP', inbox) -- never refused, so the HSET is not either: see finish
    redis.call('HSET', runs .. id, 'inbox', math.max(0, (tonumber(bytes) or 0) - #first))
    first = redis.call('LINDEX', inbox, 0)
  end
  while first == '' do -- pushed by another client: not a message
    redis.call('LPOP', inbox)
    first = redis.call('LINDEX', inbox, 0)
  end
  if not first then redis.call('HDEL', runs .. id, 'inbox') end
  return first
end
