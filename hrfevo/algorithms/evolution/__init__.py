"""The default algorithm: evolution whose offspring, and whose promotions, a surrogate chooses."""

from hrfevo.algorithms.evolution.evolution import Evolution

__all__ = ["Evolution"]
