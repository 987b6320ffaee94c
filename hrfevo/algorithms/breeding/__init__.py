"""Algorithms that breed: parents, crossover, mutation."""
