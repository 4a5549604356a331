"""What the page and the API hide, and how."""
