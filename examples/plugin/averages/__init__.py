"""Moving averages for hrfevo: a mixer, an objective and an algorithm, each registered as its module is imported."""

from averages.hill_climbing import HillClimbing
from averages.mixer import MovingAverage, MovingAverageConfig
from averages.rank import embedding_rank

__all__ = ["HillClimbing", "MovingAverage", "MovingAverageConfig", "embedding_rank"]
