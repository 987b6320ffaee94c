"""What a genome would score at the last rung, from all that was measured at any: a guess with its uncertainty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

# At most so many genomes decide a guess: the time of a Gaussian process grows with their cube.
MOST = 300
# Length scales are fitted anew when there are so many times as many genomes.
GROWTH = 1.3
# Pairs of rungs that two measurements of the same genome are believed to differ by a constant for.
PRIOR_PAIRS = 3.0
SCALES = (0.05, 50.0)


@dataclass(frozen=True)
class Ladder:
    """How one objective goes from a rung to the last: value ≈ slope · value + shift, give or take `error`."""

    slopes: np.ndarray
    shifts: np.ndarray
    errors: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray) -> Ladder:
        """From values (genomes, rungs), not a number where not measured.

        Each step is least squares over the genomes measured at both rungs, its slope drawn towards 1 as by
        `PRIOR_PAIRS` more of them; steps are chained.
        """
        rungs = values.shape[1]
        slopes, shifts, errors = np.ones(rungs), np.zeros(rungs), np.zeros(rungs)
        for rung in range(rungs - 2, -1, -1):
            both = ~np.isnan(values[:, rung : rung + 2]).any(axis=1)
            slope, shift, error = _line(values[both, rung], values[both, rung + 1], values[:, rung])
            slopes[rung] = slope * slopes[rung + 1]
            shifts[rung] = shift * slopes[rung + 1] + shifts[rung + 1]
            errors[rung] = np.hypot(error * slopes[rung + 1], errors[rung + 1])
        return cls(slopes, shifts, errors)


def _line(below: np.ndarray, above: np.ndarray, all_below: np.ndarray) -> tuple[float, float, float]:
    known = all_below[~np.isnan(all_below)]
    spread = float(known.std()) if len(known) > 1 else 0.0
    if not len(below):
        return 1.0, 0.0, spread
    deviations, rises = below - below.mean(), above - above.mean()
    prior = PRIOR_PAIRS * spread**2 + 1e-12
    slope = float((deviations @ rises + prior) / (deviations @ deviations + prior))
    residuals = rises - slope * deviations
    # A quarter of the spread until pairs say otherwise.
    error = np.sqrt((residuals @ residuals + PRIOR_PAIRS * (spread / 4) ** 2) / (len(below) + PRIOR_PAIRS))
    return slope, float(above.mean() - slope * below.mean()), float(error)


class Surrogate:
    """A Gaussian process per objective: Matérn 5/2 with a length scale for each column of the encoding.

    Each genome counts once, by its highest rung, carried to the last by the `Ladder` of the objective, whose
    error is that observation's noise.
    """

    def __init__(self, columns: int, objectives: int) -> None:
        self._columns = columns
        self._models: list[GaussianProcessRegressor | None] = [None] * objectives
        self._kernels: list[object] = [None] * objectives
        self._fitted_with = 0

    def fit(self, vectors: np.ndarray, values: np.ndarray) -> None:
        """Learn from genomes (N, columns) and values (N, objectives, rungs), not a number where not measured."""
        rungs = values.shape[2]
        highest = rungs - 1 - np.argmax(~np.isnan(values[:, 0, ::-1]), axis=1)
        anew = len(vectors) >= GROWTH * self._fitted_with
        if anew:
            self._fitted_with = len(vectors)
        chosen = _most_telling(values[:, :, :], highest)
        for objective in range(values.shape[1]):
            ladder = Ladder.fit(values[:, objective])
            at = highest[chosen]
            raw = values[chosen, objective, at]
            targets = ladder.slopes[at] * raw + ladder.shifts[at]
            self._fit_one(objective, vectors[chosen], targets, ladder.errors[at], anew)

    def _fit_one(
        self, objective: int, vectors: np.ndarray, targets: np.ndarray, errors: np.ndarray, anew: bool
    ) -> None:
        kernel = self._kernels[objective]
        if kernel is None:
            kernel = ConstantKernel(1.0, (1e-2, 1e3)) * Matern(np.ones(self._columns), SCALES, nu=2.5)
            kernel = kernel + WhiteKernel(1e-2, (1e-6, 1.0))
        scale = float(targets.std()) or 1.0
        model = GaussianProcessRegressor(
            kernel,
            alpha=np.maximum((errors / scale) ** 2, 1e-8),
            optimizer="fmin_l_bfgs_b" if anew else None,
            normalize_y=True,
        )
        with warnings.catch_warnings():
            # Length scales at their bounds say that a gene does not matter, which is no defect.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(vectors, targets)
        self._models[objective], self._kernels[objective] = model, model.kernel_

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Expected values at the last rung, (N, objectives)."""
        return np.stack([model.predict(vectors) for model in self._models], axis=1)

    def draw(self, vectors: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Values at the last rung that are as likely as the measurements say, drawn together, (N, objectives)."""
        columns = []
        for model in self._models:
            mean, covariance = model.predict(vectors, return_cov=True)
            noise = model.kernel_.k2.noise_level * model._y_train_std**2
            covariance = covariance - (noise - 1e-9) * np.eye(len(mean))
            values, bases = np.linalg.eigh(covariance)
            columns.append(mean + bases @ (np.sqrt(np.maximum(values, 0)) * generator.standard_normal(len(mean))))
        return np.stack(columns, axis=1)


def _most_telling(values: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Indices of at most `MOST` genomes: the highest rungs first, then the latest."""
    if len(highest) <= MOST:
        return np.arange(len(highest))
    order = np.lexsort((np.arange(len(highest)), highest))
    return np.sort(order[-MOST:])
