"""Which trainings fail: as often as those of like genomes did in a survey."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from hrfevo.benchmark.features import features
from hrfevo.benchmark.noise import generator_of
from hrfevo.benchmark.survey import Survey
from hrfevo.benchmark.trees import Trees
from hrfevo.space.genome import Genome

# From fewer failures nothing is learned of who fails: all are as likely to.
LEAST = 10
TREES, SEED = 200, 0


class Fates:
    """Whether a training fails, at which rung, and why; decided by genome and seed."""

    def __init__(self, survey: Survey) -> None:
        self._failures = survey.failures
        self._share = len(survey.failures) / max(1, survey.trainings)
        self._space = survey.space
        self._forest: Trees | None = None
        if len(survey.failures) >= LEAST:
            genomes = [*survey.genomes, *(failure.genome for failure in survey.failures)]
            parameters = np.array([*survey.sizes["parameters"], *(failure.parameters for failure in survey.failures)])
            failed = np.repeat([0.0, 1.0], [len(survey.genomes), len(survey.failures)])
            forest = ExtraTreesRegressor(TREES, min_samples_leaf=4, max_features=0.4, random_state=SEED)
            self._forest = Trees(forest.fit(features(survey.space, genomes, parameters), failed).estimators_)

    def __call__(self, genome: Genome, parameters: float, seed: int, rung: int) -> str:
        """Why its training fails at a rung of the survey or before it; empty if it does not."""
        if not self._failures:
            return ""
        generator = generator_of(genome, seed, purpose=1)
        failure = self._failures[int(generator.integers(len(self._failures)))]
        fails = generator.random() < self._probability(genome, parameters)
        return failure.reason if fails and rung >= failure.rung else ""

    def _probability(self, genome: Genome, parameters: float) -> float:
        if self._forest is None:
            return self._share
        return float(self._forest.sums(features(self._space, [genome], np.array([parameters])))[0, 0]) / TREES
