"""What a training would have given with another seed: decided by genome and seed, as wide as was measured."""

from __future__ import annotations

import numpy as np

from hrfevo.benchmark.survey import Survey
from hrfevo.space.genome import Genome


class Noise:
    """Factors of loss and step time, near 1.

    A seed's deviation at one rung goes with that at the next as it did between the trainings of the survey that differ
    by nothing but their seed. A step time is measured anew at each rung.
    """

    def __init__(self, survey: Survey) -> None:
        rungs = len(survey.space.rungs)
        covariance = survey.deviations.T @ survey.deviations / len(survey.deviations)
        self._root = np.linalg.cholesky(covariance + 1e-12 * np.eye(rungs))
        self._of_time = survey.step_time_noise

    def __call__(self, genome: Genome, seed: int, rung: int) -> tuple[float, float]:
        """Factors of the loss and of the step time at a rung of the survey."""
        drawn = generator_of(genome, seed).standard_normal((2, len(self._root)))
        logarithms = (self._root @ drawn[0])[rung], self._of_time * drawn[1, rung]
        return float(np.exp(logarithms[0])), float(np.exp(logarithms[1]))


def generator_of(genome: Genome, seed: int, purpose: int = 0) -> np.random.Generator:
    """Randomness that is always the same for a genome and a seed."""
    return np.random.default_rng([int(genome.id, 16), seed, purpose])
