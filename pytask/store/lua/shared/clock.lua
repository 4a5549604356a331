-- The only clock of pytask: the server's. now_ms for scores, now (Unix seconds, milliseconds kept) for fields.
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now = string.format('%d.%03d', clock[1], math.floor(clock[2] / 1000))
