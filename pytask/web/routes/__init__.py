"""Which function answers which route."""
