"""Two states by meaning: what differs, what follows from what, and what became of a handover."""
