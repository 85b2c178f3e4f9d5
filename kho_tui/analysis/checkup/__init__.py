"""Is this machine ready to hand over its state? One question each: ok, wrong or unknown, with the evidence and the remedy."""
