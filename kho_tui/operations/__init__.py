"""Whole user actions: the only composer of capture, decode and model."""
