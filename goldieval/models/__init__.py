"""The adapter protocol, loading of models by spec, and safe reading of checkpoints."""
