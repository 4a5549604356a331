-- What a worker is reminded of: a stop meant for this attempt, with its grace if it has one; else a reload; else nil.
local function told(attempt, stop, grace, reload_id)
  if stop and stop == attempt then return grace and 'STOP ' .. grace or 'STOP' end
  return reload_id and 'RELOAD'
end
