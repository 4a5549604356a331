-- The task of flows: they are runs from a queue like any other, and a few things more.
local FLOW = 'pytask/flow'
