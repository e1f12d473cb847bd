"""The memory that a training step needs, found by running the step on tensors that have no values."""
