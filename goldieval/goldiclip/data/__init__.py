"""Training data: sources of samples, sampling of captions and crops, batches and their loader."""
