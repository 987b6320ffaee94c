"""How likely a genome is to be trained to its end and to keep to all bounds, learned from those that were not."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from hrfevo.algorithms.evolution.archive import Rows
from hrfevo.algorithms.evolution.gaussian_process import SHARP, SMOOTH, GaussianProcess, Kernel, Units, fit
from hrfevo.algorithms.evolution.surrogate import GROWTH, MAX_MEASUREMENTS, MAX_TO_FIT

# A bound or a kind of failure is learned from so many genomes.
MIN_GENOMES_TO_LEARN = 4
LEAST_PROBABILITY = 1e-6
# Labels are 0 and 1, and of a genome unlike all others either is as likely.
EITHER = (0.5, 0.5)
# Labels say less than margins of how near the wall is: the deviation that is added to what their process is unsure of.
DOUBT = 0.25


class Feasibility:
    """A model for each bound, of how far genomes are beyond it, and for each kind of failure, of whether it strikes.

    Each bound is learned from the genomes of which that bound is known: one that breaks the first is never measured
    against the others. Each kind of failure is learned by itself, because what diverges and what needs too much memory
    are different genomes. Probabilities are multiplied, as in constrained expected improvement (Gardner et al. 2014).
    """

    def __init__(self) -> None:
        self._bounds: dict[int, _Regression] = {}
        self._failures: dict[str, _Regression] = {}

    def learn(
        self,
        vectors: np.ndarray | Rows,
        margins: np.ndarray,
        failures: np.ndarray,
        rungs: np.ndarray,
        failed_at: np.ndarray,
    ) -> None:
        """From genomes (N, columns), their margins (N, bounds), not a number where unknown, the kind of failure of each
        (N,), empty for none, the highest rung that each was measured at and the one that it failed at (N,)."""
        for bound in range(margins.shape[1]):
            known = np.flatnonzero(~np.isnan(margins[:, bound]))[-MAX_MEASUREMENTS:]
            # A bound that no genome is beyond asks nothing.
            if len(known) >= MIN_GENOMES_TO_LEARN and (bound in self._bounds or margins[known, bound].max() > 0):
                regression = self._bounds.setdefault(bound, _Regression(None, SMOOTH))
                regression.learn(vectors[known], margins[known, bound])
        for kind in np.unique(failures[failures != ""]):
            # Who has not come to the rung where this kind strikes says nothing of it.
            struck = failures == kind
            passed = ~struck & (rungs >= failed_at[struck].max())
            half = MAX_MEASUREMENTS // 2
            known = np.concatenate([np.flatnonzero(struck)[-half:], np.flatnonzero(passed)[-half:]])
            if len(known) >= MIN_GENOMES_TO_LEARN:
                regression = self._failures.setdefault(str(kind), _Regression(EITHER, SHARP))
                regression.learn(vectors[known], struck[known].astype(float))

    def probability(self, vectors: np.ndarray, bounds: bool = True) -> np.ndarray:
        """Of success, (N,); without bounds, of genomes that are known to keep to them."""
        found = np.ones(len(vectors))
        # Margins are at most 0 where a bound is kept. Labels are 0 and 1: what counts is to which the truth is nearer.
        for limit, doubt, regressions in ((0.0, 0.0, self._bounds if bounds else {}), (0.5, DOUBT, self._failures)):
            for regression in regressions.values():
                means, deviations = regression.process.predict(vectors)
                found *= ndtr((limit - means) / np.hypot(deviations, doubt))
        return np.maximum(found, LEAST_PROBABILITY)


class _Regression:
    """A Gaussian process whose kernel is fitted anew as points come; `units` and `length` are those of `fit`.

    It is made when it is asked for, and so is its kernel.
    """

    def __init__(self, units: Units | None, length: float) -> None:
        self._units, self._length = units, length
        self._fitted_with = 0
        self._kernel: Kernel | None = None
        self._process: GaussianProcess | None = None

    def learn(self, points: np.ndarray | Rows, values: np.ndarray) -> None:
        """From points (N, columns) and values (N,)."""
        if len(values) >= GROWTH * self._fitted_with:
            self._fitted_with, self._kernel = len(values), None
            some = slice(None, None, -(-len(values) // MAX_TO_FIT))
            self._to_fit = points[some], values[some]
        self._known, self._process = (points, values), None

    @property
    def process(self) -> GaussianProcess:
        """Of what was learned last."""
        if self._kernel is None:
            points, values = self._to_fit
            self._kernel, _ = fit(np.asarray(points), values, self._units, self._length)
        if self._process is None:
            points, values = self._known
            self._process = GaussianProcess(self._kernel, np.asarray(points), values, self._units)
        return self._process
