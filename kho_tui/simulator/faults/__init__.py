"""States broken on purpose: one fault for every invariant of the ABI reference that can be broken offline."""
