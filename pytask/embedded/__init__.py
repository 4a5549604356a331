"""A private Redis server for one folder."""
