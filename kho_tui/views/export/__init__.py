"""Machine-readable output of what operations return."""
