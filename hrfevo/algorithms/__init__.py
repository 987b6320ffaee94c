"""Who is tried next. One protocol; every algorithm runs through the same loop."""

from __future__ import annotations

import numpy as np

from hrfevo.algorithms.base import Algorithm
from hrfevo.algorithms.generations import Generations
from hrfevo.algorithms.rungs import SuccessiveHalving
from hrfevo.space import SearchSpace
from signal_model.errors import InputError, closest

ALGORITHMS = ("evolution", "random", "tpe")

__all__ = ["ALGORITHMS", "Algorithm", "make_algorithm"]


def make_algorithm(name: str, space: SearchSpace, seed: np.random.SeedSequence, synchronous: bool) -> Algorithm:
    """The algorithm called `name`, promoting through the space's rungs, in whole generations if synchronous.

    Raises InputError for a name that is none of `ALGORITHMS`.
    """
    algorithm = SuccessiveHalving(_proposer(name, space, np.random.default_rng(seed)), space)
    return Generations(algorithm, space.population) if synchronous else algorithm


def _proposer(name: str, space: SearchSpace, generator: np.random.Generator) -> Algorithm:
    if name == "evolution":
        from hrfevo.algorithms.evolution import Evolution

        return Evolution(space, generator)
    if name == "random":
        from hrfevo.algorithms.random import RandomSearch

        return RandomSearch(space, generator)
    if name == "tpe":
        from hrfevo.algorithms.optuna import OptunaTPE

        return OptunaTPE(space, generator)
    raise InputError(f"algorithm: {name!r} is none{closest(name, ALGORITHMS)}; accepted: {', '.join(ALGORITHMS)}")
