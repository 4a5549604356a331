"""The limits that several packages share."""

LONGEST_S = 100 * 365 * 86_400  # for every duration that a user sets: a longer one is probably in the wrong unit
LONGEST_QUEUE = 64  # characters of a queue's name
MAX_WHY = 4096  # characters of an error that is sent as an answer
