"""Training objectives: pure functions of features, one file an idea, switched on by name in a recipe."""
