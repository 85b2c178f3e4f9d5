"""Is a state sound: the invariants of the ABI as rules, each of which holds, is broken, or cannot be told."""
