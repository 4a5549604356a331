"""What any process may do with runs: start, see, wait for and command them."""
