"""What an emulator is made of: trees and a kernel, half and half, so that it is like no one search's own surrogate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import threadpool_limits

from hrfevo.benchmark.features import Features
from hrfevo.genome import Genome

TREES, BOOSTED = 200, 300
# Length scales are learned from so many genomes, with so many steps: the time of a step grows with their cube.
LEARNED_FROM, STEPS = 400, 40
SEED = 0


class Ensemble:
    """Several columns of values from genomes: the mean of extremely randomised trees (Geurts et al. 2006), boosted
    trees (Ke et al. 2017) and, with as much weight as both, a Gaussian process per column.

    Deterministic: the same genomes in the same order give the same ensemble.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, max_features=0.4, random_state=SEED, n_jobs=1)
        self._boosted: list[HistGradientBoostingRegressor] = []
        self._processes: list[GaussianProcessRegressor] = []
        self._centre, self._scale = np.zeros(1), np.ones(1)

    def fit(self, genomes: Sequence[Genome], parameters: np.ndarray, values: np.ndarray) -> Ensemble:
        """Learn from values (genomes, columns)."""
        whole, brief = self._features.whole(genomes, parameters), self._features.brief(genomes, parameters)
        self._centre, self._scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
        targets = (values - self._centre) / self._scale
        with threadpool_limits(1):
            self._forest.fit(np.nan_to_num(whole, nan=-1.0), targets)
            for column in targets.T:
                boosted = HistGradientBoostingRegressor(
                    max_iter=BOOSTED, learning_rate=0.05, max_leaf_nodes=12, min_samples_leaf=8,
                    l2_regularization=1.0, max_features=0.3, early_stopping=False, random_state=SEED,
                )  # fmt: skip
                self._boosted.append(boosted.fit(whole, column))
                self._processes.append(_process(brief, column))
        return self

    def predict(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """(genomes, columns)"""
        mean: np.ndarray = np.mean(self.members(genomes, parameters), axis=0)
        return mean

    def members(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """What each member says, those with double weight twice: forest, boosted, process, process."""
        whole, brief = self._features.whole(genomes, parameters), self._features.brief(genomes, parameters)
        with threadpool_limits(1):
            forest = self._forest.predict(np.nan_to_num(whole, nan=-1.0)).reshape(len(genomes), -1)
            boosted = np.column_stack([model.predict(whole) for model in self._boosted])
            process = np.column_stack([model.predict(brief) for model in self._processes])
        result: np.ndarray = self._centre + self._scale * np.stack([forest, boosted, process, process])
        return result


def _process(vectors: np.ndarray, targets: np.ndarray) -> GaussianProcessRegressor:
    some = slice(None, None, -(-len(vectors) // LEARNED_FROM))
    smooth = Matern(np.full(vectors.shape[1], 3.0), (0.1, 100.0), nu=1.5)
    kernel: Kernel = ConstantKernel(1.0, (1e-2, 1e3)) * smooth + WhiteKernel(1e-1, (1e-4, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length at its bound: a gene that does not matter
        learned = GaussianProcessRegressor(kernel, optimizer=_shortly).fit(vectors[some], targets[some])
        return GaussianProcessRegressor(learned.kernel_, optimizer=None).fit(vectors, targets)


def _shortly(
    objective: Callable[..., tuple[float, np.ndarray]], start: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return found.x, found.fun
