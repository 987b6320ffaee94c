"""What a genome would score at the last rung, from all that was measured at any: a guess with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hrfevo.algorithms.evolution.expected_improvement import Beliefs
from hrfevo.algorithms.evolution.gaussian_process import SMOOTH, GaussianProcess, Kernel, Units, fit
from hrfevo.algorithms.evolution.ladder import Ladder

# At most so many genomes decide a guess: the time of a Gaussian process grows with their cube.
MAX_GENOMES = 300
# Kernels are fitted anew when there are so many times as many genomes, to at most so many of them.
GROWTH, MAX_TO_FIT = 1.25, 120
# Whether an objective is modelled as it is or as a logarithm is asked anew when there are so many times as many.
COMPARED = 1.9
# The floor of an objective lies below the best by this share of the distance from the best to the median.
FLOOR = 0.1
AS_IT_IS = "as it is"


def likeliest(
    points: np.ndarray,
    values: np.ndarray,
    noise: np.ndarray,
    last: Kernel | None,
    units: Units | None = None,
    length: float = SMOOTH,
    counts: np.ndarray | None = None,
) -> tuple[Kernel, float]:
    """The likeliest kernel for `MAX_TO_FIT` of the points, and the logarithm of its likelihood by point.

    Arguments are those of `fit`.
    """
    some = slice(None, None, -(-len(values) // MAX_TO_FIT))
    of_some = None if counts is None else counts[some]
    kernel, likelihood = fit(points[some], values[some], noise[some], last, units, length, counts=of_some)
    return kernel, likelihood / len(values[some])


class _Objective:
    """One objective, as it is or as the logarithm of its distance from an origin, whichever makes it likelier.

    Each genome counts once, by its highest rung, carried to the last by the `Ladder`, whose error is that measurement's
    noise. Times and counts are mostly multiplied, not added; losses crowd above a floor that none falls below.
    """

    def __init__(self, trained: bool, logarithms: bool) -> None:
        self._trained, self._logarithms = trained, logarithms
        self._fitted_with = self._compared_with = 0
        self._kernels: dict[str, Kernel] = {}
        self._way = ""
        self.origin = math.nan
        """From where distances count whose logarithm is modelled; not a number for the objective as it is."""
        self.process: GaussianProcess | None = None

    def learn(self, vectors: np.ndarray, values: np.ndarray, highest: np.ndarray, counts: np.ndarray) -> None:
        """From genomes (N, columns), their values (N, rungs), and the highest rung of each and its seeds there (N,)."""
        passed = self.origin >= float(np.nanmin(values))
        if passed or len(values) >= GROWTH * self._fitted_with:
            self._fitted_with = len(values)
            origins = _origins(values) if self._logarithms else {AS_IT_IS: math.nan}
            if not passed and len(values) < COMPARED * self._compared_with:
                origins = {self._way: origins.get(self._way, self.origin)}
            else:
                self._compared_with = len(values)
            likelihoods = {}
            for way, origin in origins.items():
                targets, noise = self._targets(values, highest, origin)
                self._kernels[way], likelihood = likeliest(
                    vectors, targets, noise, self._kernels.get(way), counts=counts
                )
                # The Jacobian of the logarithm makes the densities ones of the same numbers (Box & Cox 1964).
                likelihoods[way] = likelihood - (0.0 if math.isnan(origin) else float(targets.mean()))
            self._way = max(likelihoods, key=lambda way: likelihoods[way])
            self.origin = origins[self._way]
        targets, noise = self._targets(values, highest, self.origin)
        self.process = GaussianProcess(self._kernels[self._way], vectors, targets, noise, counts=counts)

    def _targets(self, values: np.ndarray, highest: np.ndarray, origin: float) -> tuple[np.ndarray, np.ndarray]:
        """What each genome is taken to have at the last rung, as it is modelled, and its variance, (N,) each."""
        seen = values if math.isnan(origin) else np.log(values - origin)
        ladder = Ladder.fit(seen) if self._trained else Ladder.flat(values.shape[1])
        at_highest = seen[np.arange(len(seen)), highest]
        return ladder.slopes[highest] * at_highest + ladder.shifts[highest], ladder.errors[highest] ** 2


def _origins(values: np.ndarray) -> dict[str, float]:
    """From where distances may count, by name."""
    least, median = float(np.nanmin(values)), float(np.nanmedian(values))
    origins = {AS_IT_IS: math.nan}
    if least > 0:
        origins["from zero"] = 0.0
    if median > least:
        origins["from a floor"] = least - FLOOR * (median - least)
    return origins


class Surrogate:
    """Every objective at the last rung."""

    def __init__(self, trained: Sequence[bool], logarithms: bool = True) -> None:
        """`trained` says of each objective whether training changes it, `logarithms` whether one may be its model."""
        self._objectives = [_Objective(changes, logarithms) for changes in trained]
        self.ready = False
        """Whether it has learned anything."""

    def fit(self, vectors: np.ndarray, values: np.ndarray, counts: np.ndarray | None = None) -> None:
        """Learn from genomes (N, columns) and values (N, objectives, rungs), not a number where not measured.

        Values at the highest rung of each are the mean over as many seeds as `counts` (N,) says, 1 unless given.
        """
        counts = np.ones(len(vectors), int) if counts is None else counts
        highest = values.shape[2] - 1 - np.argmax(~np.isnan(values[:, 0, ::-1]), axis=1)
        chosen = _most_telling(highest)
        for number, objective in enumerate(self._objectives):
            objective.learn(vectors[chosen], values[chosen, number], highest[chosen], counts[chosen])
        self.ready = True

    def predict(self, vectors: np.ndarray, pending: np.ndarray | None = None) -> Beliefs:
        """Of genomes (N, columns), as if what is measured of `pending` had been as expected."""
        found = [o.process.predict(vectors, pending) for o in self._objectives if o.process is not None]
        means, deviations = zip(*found, strict=True)
        origins = np.array([objective.origin for objective in self._objectives])
        return Beliefs(np.stack(means, axis=1), np.stack(deviations, axis=1), origins)


def _most_telling(highest: np.ndarray) -> np.ndarray:
    """Numbers of at most `MAX_GENOMES` genomes: those of the highest rungs, then the latest."""
    if len(highest) <= MAX_GENOMES:
        return np.arange(len(highest))
    order = np.lexsort((np.arange(len(highest)), highest))
    return np.sort(order[-MAX_GENOMES:])
