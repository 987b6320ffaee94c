"""How a search went: fitness, progress, learning curves, failures, workers."""
