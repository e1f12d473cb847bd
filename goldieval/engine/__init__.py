"""One run: what it can be told."""
