"""Gaussian process regression with a length scale for each column, fitted from several starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

# Log-normal priors, mean and standard deviation of the logarithm. Length scales grow with the square root of the
# number of columns, or points in many columns would all be strangers (Hvarfner, Hellsten & Nardi 2024, ICML).
# Values that change smoothly are believed to do so at the median of that prior, labels at its mode.
LENGTH_SPREAD = math.sqrt(3)
SMOOTH, SHARP = math.sqrt(2), math.sqrt(2) - LENGTH_SPREAD**2
SIGNAL_PRIOR = (0.0, 1.0)
NOISE_PRIOR = (-4.0, 1.0)
LENGTH_BOUNDS, SIGNAL_BOUNDS, NOISE_BOUNDS = (-4.0, 8.0), (-4.0, 4.0), (-14.0, 1.0)
# Length scales to start from, as multiples of the square root of the number of columns.
STARTS = (1.0, 1 / 3)
JITTER = 1e-8
# Mean and standard deviation.
Units = tuple[float, float]


@dataclass(frozen=True)
class Kernel:
    """Matérn 5/2 with a length scale for each column, and the variance of the noise; all as logarithms."""

    log_lengths: np.ndarray
    log_signal: float
    log_noise: float

    @property
    def vector(self) -> np.ndarray:
        """All of it, (columns + 2,)."""
        return np.concatenate([self.log_lengths, [self.log_signal, self.log_noise]])

    @classmethod
    def of(cls, vector: np.ndarray) -> Kernel:
        """The kernel whose `vector` this is."""
        return cls(vector[:-2], float(vector[-2]), float(vector[-1]))

    @classmethod
    def broad(cls, columns: int, scale: float) -> Kernel:
        """All length scales `scale` · √columns."""
        return cls(np.full(columns, math.log(scale) + math.log(columns) / 2), 0.0, NOISE_PRIOR[0])

    @property
    def noise(self) -> float:
        """Variance of what is measured about what is true."""
        return math.exp(self.log_noise)

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Covariances (N, M) of what is true at (N, columns) and (M, columns)."""
        return self.between(_scaled(first, self), _scaled(second, self))

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The same of points in units of the length scales."""
        _, similar, decay = _matern(first, second)
        result: np.ndarray = math.exp(self.log_signal) * similar * decay
        return result

    def pairs(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Covariances (N,) of what is true at each of (N, columns) and at the same one of others (N, columns)."""
        root = math.sqrt(5) * np.linalg.norm((first - second) / np.exp(self.log_lengths), axis=1)
        result: np.ndarray = math.exp(self.log_signal) * (1 + root + root**2 / 3) * np.exp(-root)
        return result


class GaussianProcess:
    """What measurements say of any point.

    The kernel's noise is divided by `counts` where values are means of so many measurements.
    Rasmussen & Williams 2006, algorithm 2.1.
    Values are standardised, by their own mean and deviation unless others are given as `units`; what is known of
    nothing is believed to be the mean, give or take the deviation. Predictions are in the values' own units.
    """

    def __init__(
        self,
        kernel: Kernel,
        points: np.ndarray,
        values: np.ndarray,
        units: Units | None = None,
        counts: np.ndarray | None = None,
    ) -> None:
        """From points (N, columns), values (N,) and counts (N,), 1 unless given."""
        self.kernel = kernel
        self._mean, self._scale = units or standard(values)
        self._points = _scaled(points, kernel)
        covariance = kernel(points, points)
        covariance[np.diag_indices_from(covariance)] += kernel.noise * _shares(counts, values) + JITTER
        root = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((root, True), (values - self._mean) / self._scale, check_finite=False)
        self._inverse_root: np.ndarray = solve_triangular(root, np.eye(len(root)), lower=True, check_finite=False)

    def expecting(self, points: np.ndarray) -> GaussianProcess:
        """The same, as if what is measured at (P, columns) had been as expected: that takes nothing from the means, and
        from the deviations what these measurements will say (Ginsbourger et al. 2010, the Kriging believer)."""
        if not len(points):
            return self
        there = self._explained(points)
        among = self.kernel(points, points) - there @ there.T
        among[np.diag_indices_from(among)] += self.kernel.noise + JITTER
        root = cholesky(among, lower=True)
        known, new = len(self._weights), len(points)
        result = copy(self)
        result._points = np.concatenate([self._points, _scaled(points, self.kernel)])
        result._weights = np.concatenate([self._weights, np.zeros(new)])
        # Of ((R, 0), (T, r)) with the root R of what was known: ((R⁻¹, 0), (-r⁻¹ T R⁻¹, r⁻¹)).
        result._inverse_root = np.zeros((known + new, known + new))
        result._inverse_root[:known, :known] = self._inverse_root
        result._inverse_root[known:, known:] = solve_triangular(root, np.eye(new), lower=True)
        result._inverse_root[known:, :known] = -result._inverse_root[known:, known:] @ there @ self._inverse_root
        return result

    def predict(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of what is true at (M, columns), each (M,)."""
        (mean, deviation), _ = self.predict_with(points, ())
        return mean, deviation

    def predict_with(
        self, points: np.ndarray, others: Sequence[np.ndarray]
    ) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """What `predict` says of points (M, columns), and the correlations of what is true at each of them with what is
        true at the same one of each of others (M, columns), (M, others)."""
        across = self._across(np.concatenate([points, *others]))
        explained = (across @ self._inverse_root.T).reshape(1 + len(others), len(points), across.shape[1])
        variances = math.exp(self.kernel.log_signal) - np.einsum("omn,omn->om", explained, explained)
        np.maximum(variances, 1e-12, out=variances)
        mean = self._mean + self._scale * (across[: len(points)] @ self._weights)
        found = np.empty((len(points), len(others)))
        for column, other in enumerate(others):
            shared = self.kernel.pairs(points, other) - np.einsum("mn,mn->m", explained[0], explained[column + 1])
            found[:, column] = np.clip(shared / np.sqrt(variances[0] * variances[column + 1]), 0.0, 1.0)
        return (mean, self._scale * np.sqrt(variances[0])), found

    def _across(self, points: np.ndarray) -> np.ndarray:
        """Covariances of points (M, columns) with what is known, (M, N)."""
        return self.kernel.between(_scaled(points, self.kernel), self._points)

    def _explained(self, points: np.ndarray) -> np.ndarray:
        """What measurements explain of points (M, columns), as rows whose products are covariances."""
        result: np.ndarray = self._across(points) @ self._inverse_root.T
        return result


def fit(
    points: np.ndarray,
    values: np.ndarray,
    units: Units | None = None,
    length: float = SMOOTH,
    steps: int = 50,
    counts: np.ndarray | None = None,
) -> tuple[Kernel, float]:
    """The likeliest kernel, by likelihood and prior, of several that are fitted from different starts, and the
    logarithm of both, but for a constant, in units of the values. Arguments are those of `GaussianProcess`.

    Where length scales are far too short or too long all pairs of points look the same, the likelihood is flat, and a
    single start would stay there. No start is an earlier kernel: what is found follows from the points alone.
    """
    mean, scale = units or standard(values)
    standardised = (values - mean) / scale
    columns = points.shape[1]
    starts = [Kernel.broad(columns, start) for start in STARTS]
    bounds = [LENGTH_BOUNDS] * columns + [SIGNAL_BOUNDS, NOISE_BOUNDS]
    found = [
        minimize(
            _negative_posterior,
            start.vector,
            (points, standardised, length, counts),
            method="L-BFGS-B",
            jac=True,
            bounds=bounds,
            options={"maxiter": steps},
        )
        for start in starts
    ]
    best = min(found, key=lambda one: float(one.fun))
    return Kernel.of(best.x), -float(best.fun) - len(values) * math.log(scale)


def log_posterior(
    kernel: Kernel,
    points: np.ndarray,
    values: np.ndarray,
    length: float = SMOOTH,
    counts: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """Logarithm of likelihood and prior of standardised values, but for a constant, and its gradient by `vector`.

    `length` is what the logarithms of the length scales, in units of √columns, are believed to be.

    Rasmussen & Williams 2006, equations 5.8 and 5.9. The derivatives by length scales need no array of pairs and
    columns: Σ_ij G_ij (z_i - z_j)² = 2 (Σ_i z_i² Σ_j G_ij - zᵀ G z) for the symmetric G that they have in common.
    """
    scaled = _scaled(points, kernel)
    distance, similar, decay = _matern(scaled, scaled)
    signal = math.exp(kernel.log_signal)
    smooth = signal * similar * decay
    covariance = smooth.copy()
    shares = _shares(counts, values)
    covariance[np.diag_indices_from(covariance)] += kernel.noise * shares + JITTER
    root = cholesky(covariance, lower=True, check_finite=False)
    inverse = cho_solve((root, True), np.eye(len(root)), check_finite=False)
    weights = inverse @ values
    outer = np.outer(weights, weights) - inverse
    likelihood = -0.5 * float(values @ weights) - float(np.log(np.diag(root)).sum())
    common = outer * (signal * 5 / 3 * (1 + distance) * decay)
    lengths = (scaled**2).T @ common.sum(axis=1) - np.einsum("nd,nd->d", scaled, common @ scaled)
    gradient = np.concatenate(
        [lengths, [0.5 * float(np.vdot(outer, smooth)), 0.5 * kernel.noise * float(shares @ np.diag(outer))]]
    )
    prior, slope = _log_prior(kernel, length)
    return likelihood + prior, gradient + slope


def _log_prior(kernel: Kernel, length: float) -> tuple[float, np.ndarray]:
    columns = len(kernel.log_lengths)
    means = np.array([length + math.log(columns) / 2] * columns + [SIGNAL_PRIOR[0], NOISE_PRIOR[0]])
    spreads = np.array([LENGTH_SPREAD] * columns + [SIGNAL_PRIOR[1], NOISE_PRIOR[1]])
    away = (kernel.vector - means) / spreads
    return -0.5 * float(away @ away), -away / spreads


def _negative_posterior(
    vector: np.ndarray,
    points: np.ndarray,
    values: np.ndarray,
    length: float,
    counts: np.ndarray | None,
) -> tuple[float, np.ndarray]:
    try:
        value, gradient = log_posterior(Kernel.of(vector), points, values, length, counts)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(vector)
    return -value, -gradient


def _shares(counts: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    """What is left of the kernel's noise in means of so many measurements, (N,)."""
    return np.ones(len(values)) if counts is None else 1 / counts


def standard(values: np.ndarray) -> Units:
    """Mean and standard deviation, the latter 1 where all are the same."""
    return float(values.mean()), float(values.std()) or 1.0


def _scaled(points: np.ndarray, kernel: Kernel) -> np.ndarray:
    result: np.ndarray = points * np.exp(-kernel.log_lengths)
    return result


def _matern(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """√5 r, 1 + √5 r + 5 r² / 3 and e^(-√5 r) for all pairs."""
    squares = np.einsum("nd,nd->n", first, first)[:, None] + np.einsum("md,md->m", second, second)
    squares -= 2 * first @ second.T
    np.maximum(squares, 0.0, out=squares)
    distance = np.sqrt(5 * squares)
    return distance, 1 + distance + 5 / 3 * squares, np.exp(-distance)
