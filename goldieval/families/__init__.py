"""One module a task family: it turns embeddings and labels into per-sample outcomes and metrics."""
