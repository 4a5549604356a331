-- What may not start: a run that is paused by a field of its own, and runs of a paused queue or task, which are fields
-- `queue:…` and `task:…` of one hash. If nothing is paused, this costs one EXISTS per claim.
local is_any_paused = redis.call('EXISTS', paused) == 1
local asked = {}

local function is_paused(kind, name)
  local field = kind .. ':' .. name
  if asked[field] == nil then asked[field] = is_any_paused and redis.pcall('HEXISTS', paused, field) == 1 end
  return asked[field]
end

-- Keep back a run that may not start; return true if so. Ids in `passed` go back to their list.
local function is_kept_back(id, task, home, is_run_paused, passed)
  if is_run_paused then
    redis.call('HSETNX', runs .. id, 'queue', home)
    hold(id)
    return true
  end
  if not is_any_paused then return false end
  local is_task_paused = is_paused('task', task)
  if is_paused('queue', home) or is_task_paused and line == suspects then
    table.insert(passed, id)
  elseif is_task_paused then
    park(id, task, home, 'paused')
  else
    return false
  end
  return true
end
