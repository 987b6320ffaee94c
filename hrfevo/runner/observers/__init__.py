"""Who watches a search: the terminal, TensorBoard, MLflow, Weights & Biases."""
