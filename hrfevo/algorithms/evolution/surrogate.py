"""What a genome would score at the last rung, from all that was measured at any: a guess with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hrfevo.algorithms.evolution.archive import Rows
from hrfevo.algorithms.evolution.expected_improvement import Beliefs
from hrfevo.algorithms.evolution.gaussian_process import GaussianProcess, Kernel, fit
from hrfevo.algorithms.evolution.ladder import Ladder

# At most so many measurements decide a guess: the time of a Gaussian process grows with their cube.
MAX_MEASUREMENTS = 300
# Kernels are fitted anew when there are so many times as many genomes, to at most so many measurements.
GROWTH, MAX_TO_FIT = 1.25, 120
# How far apart two rungs are, where a gene goes from 0 to 1.
RUNGS_APART = 3.0
# Whether an objective is modelled as it is or as a logarithm is asked anew when there are so many times as many.
COMPARED = 1.9
# The floor of an objective lies below the best by this share of the distance from the best to the median.
FLOOR = 0.1
AS_IT_IS = "as it is"


@dataclass(frozen=True)
class Pending:
    """Genomes being trained, (P, columns), and the rungs that they are trained to, (P,)."""

    vectors: np.ndarray
    rungs: np.ndarray


@dataclass(frozen=True)
class _Lesson:
    """What a kernel is fitted to: genomes (N, columns), their values (N, rungs), their seeds (N,), and by name from
    where distances may count."""

    vectors: np.ndarray | Rows
    values: np.ndarray
    counts: np.ndarray
    origins: Mapping[str, float]

    def is_passed_by(self, values: np.ndarray) -> bool:
        """Whether one of these has no logarithm of its distance from some origin."""
        return any(origin >= float(np.nanmin(values)) for origin in self.origins.values())

    def origins_below(self, values: np.ndarray) -> dict[str, float]:
        """Those that are below all of these."""
        least = float(np.nanmin(values))
        return {way: origin for way, origin in self.origins.items() if not origin >= least}


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
        self._rungs, self._by_rung = 1, False
        # What the kernel and the way were, or are to be, found from; without a name and None before they are.
        self._fitted = self._compared = _Lesson(np.empty((0, 0)), np.empty((0, 0)), np.empty(0), {})
        self._way = ""
        self._kernel: Kernel | None = None
        self._process: GaussianProcess | None = None

    def learn(self, vectors: np.ndarray | Rows, values: np.ndarray, counts: np.ndarray) -> None:
        """From genomes (N, columns), their values (N, rungs), not a number where not measured, and seeds (N,).

        Kernels are fitted when somebody asks, to what was there when they were due: that depends on numbers of genomes
        and on values alone, so nobody who only hears needs to fit any.
        """
        self._rungs = values.shape[1]
        self._by_rung = self._trained and self._rungs > 1
        if not self._by_rung:
            values = _at_highest(values)
        chosen = _most_telling(~np.isnan(values))
        vectors, values, counts = vectors[chosen], Ladder.fit(values[chosen])(values[chosen]), counts[chosen]
        passed = self._fitted.is_passed_by(values)
        if passed or len(values) >= GROWTH * self._fitted_with:
            self._fitted_with = len(values)
            origins = _origins(values) if self._logarithms else {AS_IT_IS: math.nan}
            some = _spread(~np.isnan(values))
            self._kernel = None
            self._fitted = _Lesson(
                vectors[some], values[some], counts[some], self._fitted.origins_below(values) | origins
            )
            if passed or len(values) >= COMPARED * self._compared_with:
                self._compared_with, self._compared, self._way = len(values), self._fitted, ""
        self._known, self._process = (vectors, values, counts), None

    @property
    def origin(self) -> float:
        """From where distances count whose logarithm is modelled; not a number for the objective as it is."""
        self._settle()
        return self._fitted.origins[self._way]

    @property
    def process(self) -> GaussianProcess:
        """Of what was learned last."""
        self._settle()
        if self._process is None:
            assert self._kernel is not None
            points, targets, seeds = self._measurements(*self._known, self.origin)
            self._process = GaussianProcess(self._kernel, points, targets, counts=seeds)
        return self._process

    def _settle(self) -> None:
        """Compare ways and fit the kernel, where that is due."""
        if not self._way:
            found = {way: self._fit(self._compared, way) for way in self._compared.origins}
            self._way = max(found, key=lambda way: found[way][1])
            if self._compared is self._fitted:
                self._kernel = found[self._way][0]
        if self._kernel is None:
            self._kernel = self._fit(self._fitted, self._way)[0]

    def _fit(self, lesson: _Lesson, way: str) -> tuple[Kernel, float]:
        """The kernel of one way, and the logarithm of its density, by value."""
        origin = lesson.origins[way]
        points, targets, seeds = self._measurements(lesson.vectors, lesson.values, lesson.counts, origin)
        kernel, likelihood = fit(points, targets, counts=seeds)
        # The Jacobian of the logarithm makes the densities ones of the same numbers (Box & Cox 1964).
        return kernel, likelihood / len(targets) - (0.0 if math.isnan(origin) else float(targets.mean()))

    def expecting(self, pending: Pending) -> GaussianProcess:
        """Of what was learned last, as if what is measured of `pending` had been as expected."""
        vectors = pending.vectors
        return self.process.expecting(self._placed(vectors, pending.rungs) if self._by_rung else vectors)

    def predict(self, process: GaussianProcess, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a process of this objective says of genomes (N, columns) at the last rung: mean and deviation as it is
        modelled, (N,) each."""
        return process.predict(self._placed(vectors, self._rungs - 1) if self._by_rung else vectors)

    def predict_and_tell(
        self, process: GaussianProcess, vectors: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The same, and how what each is at every rung goes with what it is at the last: correlations (N, rungs)."""
        telling = np.ones((len(vectors), self._rungs))
        if not self._by_rung:
            return *process.predict(vectors), telling
        *lower, last = (self._placed(vectors, rung) for rung in range(self._rungs))
        (means, deviations), telling[:, :-1] = process.predict_with(last, lower)
        return means, deviations, telling

    def _measurements(
        self, vectors: np.ndarray | Rows, values: np.ndarray, counts: np.ndarray, origin: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (M, columns), values (M,) as they are modelled, and of how many seeds each is the mean (M,)."""
        genomes, rungs = np.nonzero(~np.isnan(values))
        points = np.asarray(vectors)[genomes]
        points = self._placed(points, rungs) if self._by_rung else points
        seen = values[genomes, rungs]
        seeds = np.where(rungs == values.shape[1] - 1, counts[genomes], 1)
        return points, seen if math.isnan(origin) else np.log(seen - origin), seeds

    def _placed(self, vectors: np.ndarray, rungs: np.ndarray | int) -> np.ndarray:
        """With a column for each step from rung to rung, since not all are as high."""
        climbed = np.broadcast_to(rungs, len(vectors))[:, None] > np.arange(self._rungs - 1)
        return np.column_stack([vectors, RUNGS_APART * climbed])


def _at_highest(values: np.ndarray) -> np.ndarray:
    """(N, 1) of (N, rungs), the last that is a number."""
    highest = values.shape[1] - 1 - np.argmax(~np.isnan(values[:, ::-1]), axis=1)
    found: np.ndarray = values[np.arange(len(values)), highest, None]
    return found


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

    def fit(self, vectors: np.ndarray | Rows, values: np.ndarray, counts: np.ndarray | None = None) -> None:
        """Learn from genomes (N, columns) and values (N, objectives, rungs), not a number where not measured.

        Values at the last rung are means over as many seeds as `counts` (N,) says, 1 unless given.
        """
        counts = np.ones(len(vectors), int) if counts is None else counts
        for number, objective in enumerate(self._objectives):
            objective.learn(vectors, values[:, number], counts)
        self.ready = True

    def expecting(self, pending: Pending) -> Outlook:
        """What it says as if what is measured of `pending` had been as expected."""
        return Outlook(self._objectives, [objective.expecting(pending) for objective in self._objectives])

    def predict(self, vectors: np.ndarray) -> Beliefs:
        """Of genomes (N, columns)."""
        return Outlook(self._objectives, [objective.process for objective in self._objectives]).predict(vectors)


@dataclass(frozen=True)
class Outlook:
    """What is believed of every objective at the last rung."""

    objectives: Sequence[_Objective]
    processes: Sequence[GaussianProcess]

    def predict(self, vectors: np.ndarray) -> Beliefs:
        """Of genomes (N, columns)."""
        pairs = zip(self.objectives, self.processes, strict=True)
        return self._beliefs(*zip(*(one.predict(process, vectors) for one, process in pairs), strict=True))

    def telling(self, vectors: np.ndarray) -> tuple[Beliefs, np.ndarray]:
        """Of genomes (N, columns), and how what they are at each rung goes with what they are at the last: correlations
        (N, objectives, rungs)."""
        pairs = zip(self.objectives, self.processes, strict=True)
        means, deviations, telling = zip(
            *(one.predict_and_tell(process, vectors) for one, process in pairs), strict=True
        )
        return self._beliefs(means, deviations), np.stack(telling, axis=1)

    def _beliefs(self, means: Sequence[np.ndarray], deviations: Sequence[np.ndarray]) -> Beliefs:
        origins = np.array([objective.origin for objective in self.objectives])
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
