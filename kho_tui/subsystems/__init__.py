"""What is known of each thing that a kernel hands over: one module for one thing, and the registry that holds them."""
