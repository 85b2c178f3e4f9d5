"""From sources to the model, under a budget."""
