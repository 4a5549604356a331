-- Publish a life-cycle event. `data` is JSON text and is passed on unchanged.
local function publish(id, event, data, seq)
  redis.call('PUBLISH', runs .. id,
    '{"event":"' .. event .. '","data":' .. data .. ',"at":' .. now .. ',"seq":' .. seq .. '}')
end
