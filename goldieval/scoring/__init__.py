"""Image-text similarity in tiles. This package knows tensors, but not tasks, files or terminals."""
