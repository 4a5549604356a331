"""The functions behind the routes."""
