"""Which app and which tasks a command uses, and what is said when they do not import."""
