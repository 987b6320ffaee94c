"""Gaussian process regression with a length scale for each column, fitted from several starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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
        _, similar, decay = _matern(_scaled(first, self), _scaled(second, self))
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
        self._points = points
        self._mean, self._scale = units or standard(values)
        covariance = kernel(points, points)
        covariance[np.diag_indices_from(covariance)] += kernel.noise * _shares(counts, values) + JITTER
        self._root = cholesky(covariance, lower=True, check_finite=False)
        self._weights = cho_solve((self._root, True), (values - self._mean) / self._scale, check_finite=False)

    @cached_property
    def _inverse_root(self) -> np.ndarray:
        result: np.ndarray = solve_triangular(self._root, np.eye(len(self._root)), lower=True, check_finite=False)
        return result

    def predict(self, points: np.ndarray, pending: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of what is true at (M, columns), each (M,).

        As if what is measured at `pending` (P, columns) had been as expected: that takes nothing from the means, and
        from the deviations what these measurements will say (Ginsbourger et al. 2010, the Kriging believer).
        """
        across = self.kernel(points, self._points)
        mean = across @ self._weights
        explained = across @ self._inverse_root.T
        variance = math.exp(self.kernel.log_signal) - np.einsum("mn,mn->m", explained, explained)
        if pending is not None and len(pending):
            there = self.kernel(pending, self._points) @ self._inverse_root.T
            among = self.kernel(pending, pending) - there @ there.T
            among[np.diag_indices_from(among)] += self.kernel.noise + JITTER
            left = self.kernel(points, pending) - explained @ there.T
            known = solve_triangular(cholesky(among, lower=True), left.T, lower=True)
            variance -= np.einsum("pm,pm->m", known, known)
        return self._mean + self._scale * mean, self._scale * np.sqrt(np.maximum(variance, 1e-12))

    def correlations(self, points: np.ndarray, others: Sequence[np.ndarray]) -> np.ndarray:
        """Of what is true at points (M, columns) with what is true at each of others (M, columns), one by one,
        (M, others)."""
        explained, variance = self._explained(points)
        found = np.empty((len(points), len(others)))
        for column, other in enumerate(others):
            known, there = self._explained(other)
            shared = self.kernel.pairs(points, other) - np.einsum("mn,mn->m", explained, known)
            found[:, column] = np.clip(shared / np.sqrt(variance * there), 0.0, 1.0)
        return found

    def _explained(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What measurements explain of points (M, columns), as rows whose products are covariances, and the variance
        that is left, (M,)."""
        explained = self.kernel(points, self._points) @ self._inverse_root.T
        variance = math.exp(self.kernel.log_signal) - np.einsum("mn,mn->m", explained, explained)
        return explained, np.maximum(variance, 1e-12)


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
