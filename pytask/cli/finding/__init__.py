"""Which app and which tasks a command uses, and errors in their imports."""
