"""What data may be: types of values, inputs, outputs, and every problem with them."""
