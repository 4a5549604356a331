"""Who has access, and to what."""
