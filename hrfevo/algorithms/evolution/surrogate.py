"""What a genome would score at the last rung, from all that was measured at any: a guess with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hrfevo.algorithms.evolution.expected_improvement import Beliefs
from hrfevo.algorithms.evolution.gaussian_process import SMOOTH, GaussianProcess, Kernel, Units, fit
from hrfevo.algorithms.evolution.ladder import Ladder

# At most so many measurements decide a guess: the time of a Gaussian process grows with their cube.
MAX_MEASUREMENTS = 300
# Kernels are fitted anew when there are so many times as many genomes, to at most so many measurements.
GROWTH, MAX_TO_FIT = 1.25, 120
# How far apart the first rung and the last are, where a gene goes from 0 to 1.
RUNGS_APART = 3.0
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
) -> tuple[Kernel, float]:
    """The likeliest kernel for `MAX_TO_FIT` of the points, and the logarithm of its likelihood by point.

    Arguments are those of `fit`.
    """
    some = slice(None, None, -(-len(values) // MAX_TO_FIT))
    kernel, likelihood = fit(points[some], values[some], noise[some], last, units, length)
    return kernel, likelihood / len(values[some])


class _Objective:
    """One objective, as it is or as the logarithm of its distance from an origin, whichever makes it likelier.

    Times and counts are mostly multiplied, not added; losses crowd above a floor that none falls below.
    What training changes is measured at several rungs. All measurements count, each carried to the last rung by the
    `Ladder`, and the rung is one more column: how much one rung says of another is learned as what a gene does is
    (Klein et al. 2017, AISTATS, for sizes of data). What training does not change counts once.
    """

    def __init__(self, trained: bool, logarithms: bool) -> None:
        self._trained, self._logarithms = trained, logarithms
        self._fitted_with = self._compared_with = 0
        self._kernels: dict[str, Kernel] = {}
        self._way = ""
        self._by_rung = False
        self._process: GaussianProcess | None = None
        self.origin = math.nan
        """From where distances count whose logarithm is modelled; not a number for the objective as it is."""

    def learn(self, vectors: np.ndarray, values: np.ndarray) -> None:
        """From genomes (N, columns) and their values (N, rungs), not a number where not measured."""
        self._by_rung = self._trained and values.shape[1] > 1
        if not self._by_rung:
            values = _at_highest(values)
        chosen = _most_telling(~np.isnan(values))
        vectors, values = vectors[chosen], values[chosen]
        passed = self.origin >= float(np.nanmin(values))
        if passed or len(values) >= GROWTH * self._fitted_with:
            self._fitted_with = len(values)
            origins = _origins(values) if self._logarithms else {AS_IT_IS: math.nan}
            if not passed and len(values) < COMPARED * self._compared_with:
                origins = {self._way: origins.get(self._way, self.origin)}
            else:
                self._compared_with = len(values)
            some = _spread(~np.isnan(values))
            likelihoods = {}
            for way, origin in origins.items():
                points, targets = self._measurements(vectors[some], values[some], origin)
                self._kernels[way], likelihood = fit(points, targets, np.zeros(len(targets)), self._kernels.get(way))
                # The Jacobian of the logarithm makes the densities ones of the same numbers (Box & Cox 1964).
                likelihoods[way] = likelihood / len(targets) - (0.0 if math.isnan(origin) else float(targets.mean()))
            self._way = max(likelihoods, key=lambda way: likelihoods[way])
            self.origin = origins[self._way]
        points, targets = self._measurements(vectors, values, self.origin)
        self._process = GaussianProcess(self._kernels[self._way], points, targets, np.zeros(len(targets)))

    def predict(self, vectors: np.ndarray, pending: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of (N, columns) as it is modelled, (N,) each; `pending` is that of `Surrogate.predict`."""
        assert self._process is not None
        if self._by_rung:
            vectors = _placed(vectors, RUNGS_APART)
            pending = None if pending is None else _placed(pending, RUNGS_APART)
        return self._process.predict(vectors, pending)

    def _measurements(self, vectors: np.ndarray, values: np.ndarray, origin: float) -> tuple[np.ndarray, np.ndarray]:
        """Points (M, columns) and values (M,) as they are modelled."""
        seen = values if math.isnan(origin) else np.log(values - origin)
        if not self._by_rung:
            return vectors, seen[:, 0]
        carried = Ladder.fit(seen)(seen)
        genomes, rungs = np.nonzero(~np.isnan(carried))
        return _placed(vectors[genomes], RUNGS_APART * rungs / (values.shape[1] - 1)), carried[genomes, rungs]


def _placed(vectors: np.ndarray, rungs: np.ndarray | float) -> np.ndarray:
    return np.column_stack([vectors, np.broadcast_to(rungs, len(vectors))])


def _at_highest(values: np.ndarray) -> np.ndarray:
    """(N, 1) of (N, rungs), the last that is a number."""
    highest = values.shape[1] - 1 - np.argmax(~np.isnan(values[:, ::-1]), axis=1)
    return values[np.arange(len(values)), highest][:, None]


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

    def fit(self, vectors: np.ndarray, values: np.ndarray) -> None:
        """Learn from genomes (N, columns) and values (N, objectives, rungs), not a number where not measured."""
        for number, objective in enumerate(self._objectives):
            objective.learn(vectors, values[:, number])
        self.ready = True

    def predict(self, vectors: np.ndarray, pending: np.ndarray | None = None) -> Beliefs:
        """Of genomes (N, columns), as if what is measured of `pending` had been as expected."""
        found = [objective.predict(vectors, pending) for objective in self._objectives]
        means, deviations = zip(*found, strict=True)
        origins = np.array([objective.origin for objective in self._objectives])
        return Beliefs(np.stack(means, axis=1), np.stack(deviations, axis=1), origins)


def _most_telling(measured: np.ndarray) -> np.ndarray:
    """Numbers of genomes, `measured` (N, rungs) or not, with at most `MAX_MEASUREMENTS`: those of the highest rungs,
    then the latest."""
    highest = measured.shape[1] - 1 - np.argmax(measured[:, ::-1], axis=1)
    order = np.lexsort((np.arange(len(highest)), highest))[::-1]
    return np.sort(order[measured[order].sum(axis=1).cumsum() <= MAX_MEASUREMENTS])


def _spread(measured: np.ndarray) -> np.ndarray:
    """Numbers of genomes, `measured` (N, rungs) or not, from all the time, with about `MAX_TO_FIT` measurements."""
    return np.arange(0, len(measured), -(-int(measured.sum()) // MAX_TO_FIT))
