"""How the worker watches itself and is watched."""
