"""Flattened device trees: a tokenizer that survives damage, and libfdt's own verdict."""
