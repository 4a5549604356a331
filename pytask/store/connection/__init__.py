"""The connection to Redis: from the URL to a server, a pool, a command, and readable errors."""
