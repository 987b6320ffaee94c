"""What is inside a model."""
