-- What a worker is reminded of: a stop of this attempt, with its grace if it has one; else a reload; else messages.
-- PAUSED comes in addition.
local verdicts = {}

local function say(id, verdict)
  table.insert(verdicts, id)
  table.insert(verdicts, verdict)
end

-- `v` has attempt, stop, grace, reload_id, inbox and paused, in this order.
local function remind(id, v)
  if v[2] and v[2] == v[1] then
    say(id, v[3] and 'STOP ' .. v[3] or 'STOP')
  elseif v[4] or v[5] then
    say(id, v[4] and 'RELOAD' or 'SEND')
  end
  if v[6] then say(id, 'PAUSED') end
end
