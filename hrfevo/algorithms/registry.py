"""Algorithms by name, and what they are wrapped in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrfevo.algorithms.base import Algorithm, Founded, Proposal, Proposer, Result, inform
from hrfevo.algorithms.generations import Generations
from hrfevo.algorithms.replicates import Replicates
from hrfevo.algorithms.seeded import Seeded
from hrfevo.algorithms.successive_halving import SuccessiveHalving
from hrfevo.space.search_space import SearchSpace
from signal_model.support.errors import InputError, closest

ALGORITHMS = ("evolution", "genetic", "regularized", "random", "tpe", "nsga2", "gp", "cmaes")
# What benchmarks are built with; no search needs them.
GRID, SURVEY = "grid", "survey"


def make_algorithm(
    name: str,
    space: SearchSpace,
    seed: np.random.SeedSequence,
    synchronous: bool = False,
    founders: Sequence[Proposal] = (),
    known: Sequence[Result] = (),
) -> Algorithm:
    """The algorithm called `name`, from rung to rung, in whole generations if synchronous.

    It begins with the `founders`, and knows results of an earlier search.

    Raises InputError for a name that is none of `ALGORITHMS`.
    """
    algorithm: Algorithm
    generator = np.random.default_rng(seed)
    replicates, proposals = seed.spawn(2)
    if name == GRID:
        from hrfevo.algorithms.grid import Grid

        return Grid(space)
    if name == SURVEY:
        from hrfevo.algorithms.survey import Survey

        algorithm = Survey(space, generator)
    elif name == "evolution":
        from hrfevo.algorithms.evolution import Evolution

        algorithm = Evolution(space, generator)
    else:
        algorithm = SuccessiveHalving(_proposer(name, space, generator), space)
    if known:
        inform(algorithm, known)
    if founders:
        algorithm = Founded(algorithm, founders)
    if space.replicates and name != SURVEY:
        algorithm = Replicates(algorithm, space, replicates)
    if synchronous:
        algorithm = Generations(algorithm, space.population)
    return Seeded(algorithm, generator, proposals)


def _proposer(name: str, space: SearchSpace, generator: np.random.Generator) -> Proposer:
    if name == "genetic":
        from hrfevo.algorithms.breeding.genetic import Genetic

        return Genetic(space, generator)
    if name == "random":
        from hrfevo.algorithms.random import RandomSearch

        return RandomSearch(space, generator)
    if name == "regularized":
        from hrfevo.algorithms.breeding.regularized import RegularizedEvolution

        return RegularizedEvolution(space, generator)
    if name in ALGORITHMS:
        from hrfevo.algorithms.optuna_samplers import OptunaSampler

        return OptunaSampler(name, space, generator)
    raise InputError(f"algorithm: {name!r} is none{closest(name, ALGORITHMS)}; accepted: {', '.join(ALGORITHMS)}")
