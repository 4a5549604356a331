"""What any process can do with runs: start, read, follow and command them."""
