"""What a genome would score at the last rung, from all that was measured at any: a guess with its uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from threadpoolctl import ThreadpoolController

from hrfevo.algorithms.evolution.expected_improvement import Beliefs
from hrfevo.algorithms.evolution.gaussian_process import GaussianProcess, Kernel, fit, standard
from hrfevo.algorithms.evolution.ladder import Ladder

# At most so many genomes decide a guess: the time of a Gaussian process grows with their cube.
MAX_GENOMES = 300
# Kernels are fitted anew when there are so many times as many genomes, to at most so many of them.
GROWTH, MAX_TO_FIT = 1.25, 120


class Regression:
    """A Gaussian process whose kernel is fitted anew as points come."""

    def __init__(self) -> None:
        self.process: GaussianProcess | None = None
        self.likelihood = 0.0
        """Logarithm of that of the values that the kernel was last fitted to."""
        self._fitted_with = 0

    def learn(self, points: np.ndarray, values: np.ndarray, noise: np.ndarray) -> bool:
        """From points (N, columns), values (N,) and variances of the values about the truth (N,); whether anew."""
        noise = noise / standard(values)[1] ** 2
        anew = len(values) >= GROWTH * self._fitted_with
        last = self.process.kernel if self.process else None
        if anew:
            self._fitted_with = len(values)
            some = fitted(len(values))
            kernel, self.likelihood = fit(points[some], values[some], noise[some], last)
        self.process = GaussianProcess(kernel if anew else last, points, values, noise)
        return anew


def fitted(count: int) -> slice:
    """Which of so many points kernels are fitted to."""
    return slice(None, None, -(-count // MAX_TO_FIT))


class _Objective:
    """One objective, as it is or as its logarithm, whichever makes what was measured likelier.

    Each genome counts once, by its highest rung, carried to the last by the `Ladder`, whose error is that measurement's
    noise. Times and counts are mostly multiplied, not added; both ways are tried until one has been better for long.
    """

    def __init__(self, trained: bool) -> None:
        self._trained = trained
        self._ways = {False: Regression(), True: Regression()}
        self.logarithmic = False

    @property
    def process(self) -> GaussianProcess:
        process = self._ways[self.logarithmic].process
        assert process is not None
        return process

    def learn(self, vectors: np.ndarray, values: np.ndarray, highest: np.ndarray) -> None:
        """From genomes (N, columns), their values (N, rungs) and the highest rung of each (N,)."""
        positive = bool((values[~np.isnan(values)] > 0).all())
        scores = {}
        for logarithmic in (False, True) if positive else (False,):
            seen = np.log(values) if logarithmic else values
            ladder = Ladder.fit(seen) if self._trained else Ladder.flat(values.shape[1])
            targets = ladder.slopes[highest] * seen[np.arange(len(seen)), highest] + ladder.shifts[highest]
            regression = self._ways[logarithmic]
            if regression.learn(vectors, targets, ladder.errors[highest] ** 2):
                # The logarithm's Jacobian makes the two densities ones of the same numbers (Box & Cox 1964).
                jacobian = float(targets[fitted(len(targets))].sum()) if logarithmic else 0.0
                scores[logarithmic] = regression.likelihood - jacobian
        if scores:
            self.logarithmic = max(scores, key=lambda way: scores[way])
        elif not positive:
            self.logarithmic = False


class Surrogate:
    """Every objective at the last rung. One thread: workers have the others, and results do not depend on how many."""

    def __init__(self, trained: Sequence[bool]) -> None:
        """`trained` says of each objective whether training changes it."""
        self._objectives = [_Objective(changes) for changes in trained]
        self._threads = ThreadpoolController()
        self.ready = False
        """Whether it has learned anything."""

    def fit(self, vectors: np.ndarray, values: np.ndarray) -> None:
        """Learn from genomes (N, columns) and values (N, objectives, rungs), not a number where not measured."""
        highest = values.shape[2] - 1 - np.argmax(~np.isnan(values[:, 0, ::-1]), axis=1)
        chosen = _most_telling(highest)
        with self._threads.limit(limits=1):
            for number, objective in enumerate(self._objectives):
                objective.learn(vectors[chosen], values[chosen, number], highest[chosen])
        self.ready = True

    def predict(self, vectors: np.ndarray, pending: np.ndarray | None = None) -> Beliefs:
        """Of genomes (N, columns), as if what is measured of `pending` had been as expected."""
        with self._threads.limit(limits=1):
            found = [objective.process.predict(vectors, pending) for objective in self._objectives]
        means, deviations = zip(*found, strict=True)
        logarithmic = np.array([objective.logarithmic for objective in self._objectives])
        return Beliefs(np.stack(means, axis=1), np.stack(deviations, axis=1), logarithmic)


def _most_telling(highest: np.ndarray) -> np.ndarray:
    """Numbers of at most `MAX_GENOMES` genomes: those of the highest rungs, then the latest."""
    if len(highest) <= MAX_GENOMES:
        return np.arange(len(highest))
    order = np.lexsort((np.arange(len(highest)), highest))
    return np.sort(order[-MAX_GENOMES:])
