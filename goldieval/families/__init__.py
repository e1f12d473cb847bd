"""Task families, one module each: they turn embeddings and labels into per-sample outcomes and metrics."""
