"""What a state means: typed, frozen, without knowledge of files or screens."""
