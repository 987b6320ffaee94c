"""What a genome would score at the last rung, from all that was measured at any: a guess with its uncertainty."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import ThreadpoolController

# At most so many genomes decide a guess: the time of a Gaussian process grows with their cube.
MOST = 300
# Length scales are fitted anew when there are so many times as many genomes, to at most so many of them and with so
# many steps: the time of a step grows with the number of columns too.
GROWTH, FITTED, STEPS = 1.3, 100, 15
# What is believed of two rungs before they are measured, as strongly as by so many genomes: that they differ by a
# constant, give or take so large a share of the spread.
PRIOR_PAIRS, PRIOR_ERROR = 3.0, 0.25
SCALES = (0.05, 50.0)


@dataclass(frozen=True)
class Ladder:
    """How one objective goes from a rung to the last: value ≈ slope · value + shift, give or take `error`."""

    slopes: np.ndarray
    shifts: np.ndarray
    errors: np.ndarray

    @classmethod
    def flat(cls, rungs: int) -> Ladder:
        """Of an objective that no training changes, such as the number of parameters."""
        return cls(np.ones(rungs), np.zeros(rungs), np.zeros(rungs))

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
        return 1.0, 0.0, spread * PRIOR_ERROR
    deviations, rises = below - below.mean(), above - above.mean()
    prior = PRIOR_PAIRS * spread**2 + 1e-12
    slope = float((deviations @ rises + prior) / (deviations @ deviations + prior))
    residuals = rises - slope * deviations
    prior = PRIOR_PAIRS * (spread * PRIOR_ERROR) ** 2
    error = np.sqrt((residuals @ residuals + prior) / (len(below) + PRIOR_PAIRS))
    return slope, float(above.mean() - slope * below.mean()), float(error)


class Surrogate:
    """A Gaussian process per objective: Matérn 5/2 with a length scale for each column of the encoding.

    Each genome counts once, by its highest rung, carried to the last by the `Ladder` of the objective, whose
    error is that observation's noise. One thread: workers have the others, and results do not depend on how many.
    """

    def __init__(self, trained: Sequence[bool]) -> None:
        """`trained` says of each objective whether training changes it."""
        self._trained = trained
        self._models: list[GaussianProcessRegressor] = []
        self._fitted_with = 0
        self._threads = ThreadpoolController()

    @property
    def ready(self) -> bool:
        """Whether it has learned anything."""
        return bool(self._models)

    def fit(self, vectors: np.ndarray, values: np.ndarray) -> None:
        """Learn from genomes (N, columns) and values (N, objectives, rungs), not a number where not measured."""
        highest = values.shape[2] - 1 - np.argmax(~np.isnan(values[:, 0, ::-1]), axis=1)
        anew = len(vectors) >= GROWTH * self._fitted_with
        if anew:
            self._fitted_with = len(vectors)
        chosen = _most_telling(highest)
        models = []
        for objective in range(values.shape[1]):
            trained = self._trained[objective]
            ladder = Ladder.fit(values[:, objective]) if trained else Ladder.flat(values.shape[2])
            at = highest[chosen]
            targets = ladder.slopes[at] * values[chosen, objective, at] + ladder.shifts[at]
            errors = ladder.errors[at] / (targets.std() or 1.0)
            kernel = self._models[objective].kernel_ if self._models else _kernel(vectors.shape[1])
            if anew:
                some = slice(None, None, -(-len(chosen) // FITTED))
                kernel = self._model(kernel, vectors[chosen][some], targets[some], errors[some], _shortly).kernel_
            models.append(self._model(kernel, vectors[chosen], targets, errors, None))
        self._models = models

    def _model(
        self,
        kernel: Kernel,
        vectors: np.ndarray,
        targets: np.ndarray,
        errors: np.ndarray,
        optimizer: Callable[..., tuple[np.ndarray, float]] | None,
    ) -> GaussianProcessRegressor:
        model = GaussianProcessRegressor(
            kernel,
            alpha=np.maximum(errors**2, 1e-8),
            optimizer=optimizer,
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

    def draw(self, vectors: np.ndarray, generator: np.random.Generator, count: int) -> np.ndarray:
        """Values at the last rung as likely as the measurements say: so many draws of all, (count, N, objectives)."""
        columns = []
        with self._threads.limit(limits=1):
            for model in self._models:
                mean, covariance = model.predict(vectors, return_cov=True)
                scale = float(model._y_train_std)
                noise = model.kernel_.k2.noise_level  # of a measurement, not of the genome
                root = _root(covariance / scale**2 - noise * np.eye(len(mean)))
                columns.append(mean + scale * generator.standard_normal((count, len(mean))) @ root.T)
        return np.stack(columns, axis=2)


def _root(covariance: np.ndarray) -> np.ndarray:
    """A matrix L with L Lᵀ = covariance, but for as little on the diagonal as rounding makes necessary."""
    jitter = 1e-8
    while True:
        try:
            return np.linalg.cholesky(covariance + jitter * np.eye(len(covariance)))
        except np.linalg.LinAlgError:
            jitter *= 10


def _shortly(
    objective: Callable[..., tuple[float, np.ndarray]], start: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    """scikit-learn's own optimiser, with fewer steps."""
    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return found.x, found.fun


def _kernel(columns: int) -> Kernel:
    smooth = Matern(np.ones(columns), SCALES, nu=2.5)
    return ConstantKernel(1.0, (1e-2, 1e3)) * smooth + WhiteKernel(1e-2, (1e-6, 1.0))


def _most_telling(highest: np.ndarray) -> np.ndarray:
    """Numbers of at most `MOST` genomes: those of the highest rungs, then the latest."""
    if len(highest) <= MOST:
        return np.arange(len(highest))
    order = np.lexsort((np.arange(len(highest)), highest))
    return np.sort(order[-MOST:])
