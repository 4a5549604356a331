"""Server-sent events: one subscription, many clients."""
