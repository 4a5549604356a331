-- Return the list in which the ids of a queue wait.
local function line_of(queue)
  if not queue or queue == '' or queue == 'default' then return lines end
  return lines .. '-' .. queue
end
