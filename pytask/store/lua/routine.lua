-- Keep a routine: its version, a blank, its steps. The same steps again are no new version.
-- KEYS  routines
-- ARGV  name steps
-- ANSWER its version
local version, known = string.match(redis.call('HGET', routines, name) or '', '^(%d+) (.*)$')
if known == steps then return tonumber(version) end
redis.call('HSET', routines, name, (tonumber(version) or 0) + 1 .. ' ' .. steps)
return (tonumber(version) or 0) + 1
