"""What a model offers, how a spec becomes one, and checkpoints read as tensors only."""
