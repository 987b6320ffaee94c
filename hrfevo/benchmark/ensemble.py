"""What an emulator is made of: trees and a kernel, half and half, so that it is like no one search's own surrogate."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Kernel, Matern, WhiteKernel
from threadpoolctl import ThreadpoolController

from hrfevo.benchmark.features import Features
from hrfevo.benchmark.trees import Trees
from hrfevo.genome import Genome

TREES, BOOSTED, RATE = 200, 300, 0.05
# Length scales are learned from so many genomes, with so many steps: the time of a step grows with their cube.
LEARNED_FROM, STEPS = 400, 40
SEED = 0
# What trees are told of a gene that is not active.
IDLE = -1.0


class Ensemble:
    """Several columns of values from genomes: the mean of extremely randomised trees (Geurts et al. 2006), boosted
    trees (Friedman 2001) and, with as much weight as both, a Gaussian process per column.

    Deterministic: the same genomes in the same order give the same ensemble.
    """

    def __init__(self, features: Features) -> None:
        self._features = features
        self._centre, self._scale = np.zeros(1), np.ones(1)
        self._boosted: list[Trees] = []
        self._processes: list[GaussianProcessRegressor] = []

    def fit(self, genomes: Sequence[Genome], parameters: np.ndarray, values: np.ndarray) -> Ensemble:
        """Learn from values (genomes, columns)."""
        whole, brief = self._views(genomes, parameters)
        self._centre, self._scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-12)
        targets = (values - self._centre) / self._scale
        forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, max_features=0.4, random_state=SEED)
        boosted = GradientBoostingRegressor(
            n_estimators=BOOSTED, learning_rate=RATE, max_depth=4, min_samples_leaf=5, max_features=0.2,
            subsample=0.7, random_state=SEED,
        )  # fmt: skip
        with ThreadpoolController().limit(limits=1):
            self._forest = Trees(forest.fit(whole, targets).estimators_)
            for column in targets.T:
                self._boosted.append(Trees(boosted.fit(whole, column).estimators_[:, 0]))
                self._processes.append(_process(brief, column))
        return self

    def predict(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """(genomes, columns)"""
        mean: np.ndarray = np.mean(self.members(genomes, parameters), axis=0)
        return mean

    def members(self, genomes: Sequence[Genome], parameters: np.ndarray) -> np.ndarray:
        """What each member says, who has double weight twice: forest, boosted trees, process, process."""
        whole, brief = self._views(genomes, parameters)
        forest = self._forest.sums(whole) / TREES
        boosted = RATE * np.concatenate([trees.sums(whole) for trees in self._boosted], axis=1)
        process = np.column_stack([model.predict(brief) for model in self._processes])
        result: np.ndarray = self._centre + self._scale * np.stack([forest, boosted, process, process])
        return result

    def _views(self, genomes: Sequence[Genome], parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        whole = self._features.whole(genomes, parameters)
        return np.nan_to_num(whole, nan=IDLE), self._features.brief(genomes, parameters)


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
