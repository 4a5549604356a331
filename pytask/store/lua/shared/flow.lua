-- The task of flows. A flow is a run like any other, with steps besides.
local FLOW = 'pytask/flow'
