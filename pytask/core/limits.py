"""The limits that several packages share."""

LONGEST_S = 100 * 365 * 86_400  # for all times that users give: a longer one is a slip of units
LONGEST_QUEUE = 64  # characters of a queue's name
MAX_WHY = 4096  # characters of an error that is sent as an answer
