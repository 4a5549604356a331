"""What the page and the API hide."""
