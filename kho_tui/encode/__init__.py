"""From the model to memory: a Handover written at its own addresses, in the bytes a kernel writes."""
