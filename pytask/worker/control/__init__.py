"""How commands and messages reach runs."""
