"""Experiment trackers: TensorBoard, Weights & Biases, MLflow and Trackio, only where the user asks for them."""
