-- Store a routine as version, space, steps. The same steps again do not make a new version.
-- KEYS  routines
-- ARGV  name steps
-- ANSWER its version
local version, known = string.match(redis.call('HGET', routines, name) or '', '^(%d+) (.*)$')
version = version and #version <= 13 and tonumber(version) or 0 -- longer ones are junk: Lua would write them as 1e+14
if version > 0 and known == steps then return version end
redis.call('HSET', routines, name, version + 1 .. ' ' .. steps)
return version + 1
