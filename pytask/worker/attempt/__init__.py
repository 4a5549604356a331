"""One attempt of one run, from its context to its outcome. User code runs only here."""
