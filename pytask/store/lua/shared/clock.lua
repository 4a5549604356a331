-- The server's clock, the only one that counts. now_ms is for scores, now (Unix seconds with milliseconds) for fields.
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local now = string.format('%d.%03d', clock[1], math.floor(clock[2] / 1000))
