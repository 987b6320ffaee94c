"""What a genome would score at the last rung, from all that was measured at any: a guess with its uncertainty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import ThreadpoolController

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
    error is that observation's noise. One thread: workers have the others, and results do not depend on how many.
    """

    def __init__(self) -> None:
        self._models: list[GaussianProcessRegressor] = []
        self._fitted_with = 0
        self._threads = ThreadpoolController()

    def fit(self, vectors: np.ndarray, values: np.ndarray) -> None:
        """Learn from genomes (N, columns) and values (N, objectives, rungs), not a number where not measured."""
        highest = values.shape[2] - 1 - np.argmax(~np.isnan(values[:, 0, ::-1]), axis=1)
        anew = len(vectors) >= GROWTH * self._fitted_with
        if anew:
            self._fitted_with = len(vectors)
        chosen = _most_telling(highest)
        models = []
        for objective in range(values.shape[1]):
            ladder = Ladder.fit(values[:, objective])
            at = highest[chosen]
            targets = ladder.slopes[at] * values[chosen, objective, at] + ladder.shifts[at]
            errors = ladder.errors[at] / (targets.std() or 1.0)
            kernel = self._models[objective].kernel_ if self._models else _kernel(vectors.shape[1])
            models.append(self._model(kernel, vectors[chosen], targets, errors, anew))
        self._models = models

    def _model(
        self, kernel: Kernel, vectors: np.ndarray, targets: np.ndarray, errors: np.ndarray, anew: bool
    ) -> GaussianProcessRegressor:
        model = GaussianProcessRegressor(
            kernel,
            alpha=np.maximum(errors**2, 1e-8),
            optimizer="fmin_l_bfgs_b" if anew else None,
            normalize_y=True,
        )
        with warnings.catch_warnings(), self._threads.limit(limits=1):
            # Length scales at their bounds say that a gene does not matter, which is no defect.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(vectors, targets)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Expected values at the last rung, (N, objectives)."""
        with self._threads.limit(limits=1):
            return np.stack([model.predict(vectors) for model in self._models], axis=1)

    def draw(self, vectors: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Values at the last rung that are as likely as the measurements say, drawn together, (N, objectives)."""
        columns = []
        with self._threads.limit(limits=1):
            for model in self._models:
                mean, covariance = model.predict(vectors, return_cov=True)
                noise = model.kernel_.k2.noise_level * model._y_train_std**2  # of a measurement, not of the genome
                values, bases = np.linalg.eigh(covariance - noise * np.eye(len(mean)))
                deviations = np.sqrt(np.maximum(values, 0)) * generator.standard_normal(len(mean))
                columns.append(mean + bases @ deviations)
        return np.stack(columns, axis=1)


def _kernel(columns: int) -> Kernel:
    smooth = Matern(np.ones(columns), SCALES, nu=2.5)
    return ConstantKernel(1.0, (1e-2, 1e3)) * smooth + WhiteKernel(1e-2, (1e-6, 1.0))


def _most_telling(highest: np.ndarray) -> np.ndarray:
    """Numbers of at most `MOST` genomes: those of the highest rungs, then the latest."""
    if len(highest) <= MOST:
        return np.arange(len(highest))
    order = np.lexsort((np.arange(len(highest)), highest))
    return np.sort(order[-MOST:])
