"""The state as a walk of entities: one module a part of the state."""
