"""The campaign: states altered at random, what is predicted of each, and what a booted kernel does."""
