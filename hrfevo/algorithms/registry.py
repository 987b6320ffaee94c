"""Algorithms by name, and what they are wrapped in. What each needs is imported when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from signal_model.support.errors import InputError, closest

if TYPE_CHECKING:
    import numpy as np

    from hrfevo.algorithms.base import Algorithm, Proposal, Proposer, Result
    from hrfevo.space.search_space import SearchSpace

    Builder = Callable[[SearchSpace, np.random.Generator], Algorithm]


def _evolution(space: SearchSpace, generator: np.random.Generator) -> Algorithm:
    from hrfevo.algorithms.evolution import Evolution

    return Evolution(space, generator)


def _genetic(space: SearchSpace, generator: np.random.Generator) -> Algorithm:
    from hrfevo.algorithms.breeding.genetic import Genetic

    return _from_rung_to_rung(Genetic(space, generator), space)


def _regularized(space: SearchSpace, generator: np.random.Generator) -> Algorithm:
    from hrfevo.algorithms.breeding.regularized import RegularizedEvolution

    return _from_rung_to_rung(RegularizedEvolution(space, generator), space)


def _random(space: SearchSpace, generator: np.random.Generator) -> Algorithm:
    from hrfevo.algorithms.random import RandomSearch

    return _from_rung_to_rung(RandomSearch(space, generator), space)


def _optuna(sampler: str, space: SearchSpace, generator: np.random.Generator) -> Algorithm:
    from hrfevo.algorithms.optuna_samplers import OptunaSampler

    return _from_rung_to_rung(OptunaSampler(sampler, space, generator), space)


def _survey(space: SearchSpace, generator: np.random.Generator) -> Algorithm:
    from hrfevo.algorithms.survey import Survey

    return Survey(space, generator)


def _from_rung_to_rung(proposer: Proposer, space: SearchSpace) -> Algorithm:
    from hrfevo.algorithms.successive_halving import SuccessiveHalving

    return SuccessiveHalving(proposer, space)


ALGORITHMS: Mapping[str, Builder] = {
    "evolution": _evolution,
    "genetic": _genetic,
    "regularized": _regularized,
    "random": _random,
    **{sampler: partial(_optuna, sampler) for sampler in ("tpe", "nsga2", "gp", "cmaes")},
}
"""What `--algorithm` takes. Help and errors list them in this order."""

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

    Raises InputError for a name that is none of `ALGORITHMS`, and for a space that it cannot search.

    Examples:
        >>> import numpy as np
        >>> from hrfevo.algorithms.base import Result
        >>> from hrfevo.space.reading import load_space
        >>> space, _ = load_space("search_spaces/quick.yaml")
        >>> algorithm = make_algorithm("genetic", space, np.random.SeedSequence(0))
        >>> first, second = algorithm.ask(), algorithm.ask()
        >>> first.rung, first.genome == second.genome
        (0, False)
        >>> algorithm.tell([Result(first, objectives=(3.2, 5000.0)), Result(second, None, failure="diverged")])
    """
    import numpy as np

    from hrfevo.algorithms.base import Founded, inform
    from hrfevo.algorithms.generations import Generations
    from hrfevo.algorithms.replicates import Replicates
    from hrfevo.algorithms.seeded import Seeded

    generator = np.random.default_rng(seed)
    replicates, proposals = seed.spawn(2)
    if name == GRID:
        from hrfevo.algorithms.grid import Grid

        return Grid(space)
    check_algorithm("algorithm", name, space)
    build = _survey if name == SURVEY else ALGORITHMS[name]
    algorithm = build(space, generator)
    if known:
        inform(algorithm, known)
    if founders:
        algorithm = Founded(algorithm, founders)
    if space.replicates and name != SURVEY:
        algorithm = Replicates(algorithm, space, replicates)
    if synchronous:
        algorithm = Generations(algorithm, space.population)
    return Seeded(algorithm, generator, proposals)


def check_algorithm(place: str, name: str, space: SearchSpace) -> None:
    """Raise InputError, naming the `place` where it was given, for no algorithm or one that cannot search the space."""
    if name not in (*ALGORITHMS, GRID, SURVEY):
        raise unknown(place, name)
    if name == "cmaes" and len(space.objectives) > 1:
        raise InputError(f"algorithm: cmaes searches for one objective, not {', '.join(space.objectives)}")


def unknown(place: str, name: str) -> InputError:
    """What to say of a name that is none, where it was given."""
    return InputError(
        f"{place} {name}: no such algorithm{closest(name, ALGORITHMS)}; accepted: {', '.join(ALGORITHMS)}"
    )
