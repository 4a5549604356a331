"""How runs come in."""
