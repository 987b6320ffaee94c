"""Plain functions on tensors: no parameters, no state."""
