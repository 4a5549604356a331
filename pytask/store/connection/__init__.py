"""How pytask talks to Redis: from the URL to a server, a pool, a command, and an error in words."""
