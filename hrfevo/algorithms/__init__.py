"""Who is tried next. One protocol; every algorithm runs through the same loop."""

from __future__ import annotations

import numpy as np

from hrfevo.algorithms.base import Algorithm, Proposer
from hrfevo.algorithms.generations import Generations
from hrfevo.algorithms.rungs import SuccessiveHalving
from hrfevo.space import SearchSpace
from signal_model.errors import InputError, closest

ALGORITHMS = ("evolution", "regularized", "random", "tpe", "nsga2", "gp", "cmaes")
GRID = "grid"

__all__ = ["ALGORITHMS", "Algorithm", "make_algorithm"]


def make_algorithm(name: str, space: SearchSpace, seed: np.random.SeedSequence, synchronous: bool) -> Algorithm:
    """The algorithm called `name`, promoting through the space's rungs, in whole generations if synchronous.

    Raises InputError for a name that is none of `ALGORITHMS`.
    """
    if name == GRID:
        from hrfevo.algorithms.grid import Grid

        return Grid(space)
    algorithm: Algorithm
    if name == "evolution":
        from hrfevo.algorithms.evolution import Evolution

        algorithm = Evolution(space, np.random.default_rng(seed))
        return Generations(algorithm, space.population) if synchronous else algorithm
    algorithm = SuccessiveHalving(_proposer(name, space, np.random.default_rng(seed)), space)
    return Generations(algorithm, space.population) if synchronous else algorithm


def _proposer(name: str, space: SearchSpace, generator: np.random.Generator) -> Proposer:
    if name == "random":
        from hrfevo.algorithms.random import RandomSearch

        return RandomSearch(space, generator)
    if name == "regularized":
        from hrfevo.algorithms.regularized import RegularizedEvolution

        return RegularizedEvolution(space, generator)
    if name in ALGORITHMS:
        from hrfevo.algorithms.optuna import OptunaSampler

        return OptunaSampler(name, space, generator)
    raise InputError(f"algorithm: {name!r} is none{closest(name, ALGORITHMS)}; accepted: {', '.join(ALGORITHMS)}")
