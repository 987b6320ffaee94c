"""What an emulator is made of: trees and a kernel, half and half, so that it is like no one search's own surrogate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import ThreadpoolController

from hrfevo.benchmark.trees import Trees

TREES, RATE, SEED = 300, 0.05, 0
# Length scales are learned from so many rows, with so many steps: the time of a step grows with their square at least.
LEARNED_FROM, STEPS = 300, 20

# Logarithms of a kernel's numbers, one for each column of values.
Kernels = list[list[float]]


class Ensemble:
    """Several values from rows: the mean of boosted trees (Friedman 2001, 2002) and of a Gaussian process, for each.

    Deterministic: the same rows in the same order give the same ensemble.
    """

    def __init__(self, rows: np.ndarray, values: np.ndarray, kernels: Kernels | None = None) -> None:
        """Learn values (N, columns) from rows (N, features); `kernels` are known where they were learned before."""
        self._centre, self._scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
        targets = (values - self._centre) / self._scale
        boosted = GradientBoostingRegressor(
            n_estimators=TREES, learning_rate=RATE, max_depth=4, min_samples_leaf=5, max_features=0.2, subsample=0.7,
            random_state=SEED,
        )  # fmt: skip
        # One thread: a comparison has a process for each.
        with ThreadpoolController().limit(limits=1):
            self._trees = [Trees(boosted.fit(rows, column).estimators_[:, 0]) for column in targets.T]
            known = kernels or [_learned(rows, column) for column in targets.T]
            self._processes = [_process(rows, column, kernel) for column, kernel in zip(targets.T, known, strict=True)]
        self.kernels: Kernels = [list(kernel) for kernel in known]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(N, columns)"""
        mean: np.ndarray = np.mean(self.members(rows), axis=0)
        return mean

    def members(self, rows: np.ndarray) -> np.ndarray:
        """What trees and process say, each for itself, (2, N, columns)."""
        trees = RATE * np.column_stack([trees.sums(rows)[:, 0] for trees in self._trees])
        processes = np.column_stack([process.predict(rows) for process in self._processes])
        both: np.ndarray = self._centre + self._scale * np.stack([trees, processes])
        return both


def _learned(rows: np.ndarray, targets: np.ndarray) -> list[float]:
    """The likeliest kernel."""
    some = slice(None, None, -(-len(rows) // LEARNED_FROM))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: a gene that does not matter
        learned = GaussianProcessRegressor(_kernel(rows.shape[1]), optimizer=_shortly).fit(rows[some], targets[some])
    return [round(float(number), 4) for number in learned.kernel_.theta]


def _process(rows: np.ndarray, targets: np.ndarray, kernel: Sequence[float]) -> GaussianProcessRegressor:
    return GaussianProcessRegressor(_kernel(rows.shape[1]).clone_with_theta(kernel), optimizer=None).fit(rows, targets)


def _kernel(features: int) -> Kernel:
    smooth = Matern(np.full(features, 3.0), (0.1, 100.0), nu=1.5)
    return ConstantKernel(1.0, (1e-2, 1e3)) * smooth + WhiteKernel(1e-1, (1e-4, 1.0))


def _shortly(
    objective: Callable[..., tuple[float, np.ndarray]], start: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return found.x, found.fun
