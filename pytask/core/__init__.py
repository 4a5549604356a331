"""Values that every package shares: states, runs, events, commands, ids, names. No I/O."""
