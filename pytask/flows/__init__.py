"""Steps, the signals they return, and the flows made of them."""
