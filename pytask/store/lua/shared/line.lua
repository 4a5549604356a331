-- The list in which a queue's ids wait.
local function line_of(queue)
  if not queue or queue == '' or queue == 'default' then return lines end
  return lines .. '-' .. queue
end
