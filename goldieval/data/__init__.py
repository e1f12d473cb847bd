"""Readers of data sets: one module per file layout, and the built-in world."""
