"""Network addresses, listening sockets, and the HTTP limits that health and web share."""
