"""Chunks of embeddings among the processes that share an evaluation."""
