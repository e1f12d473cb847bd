"""Pure functions from scores, outcomes and labels to numbers. They know tensors, not tasks, files or screens."""
