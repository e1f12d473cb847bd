"""Image-text similarity in tiles. It knows tensors, not tasks, files or screens."""
