"""Algorithms by name, and what they are wrapped in. What each needs is imported when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from signal_model.support.errors import InputError, closest
from signal_model.support.plugins import note_definition, plugins

if TYPE_CHECKING:
    import numpy as np

    from hrfevo.algorithms.base import Algorithm, Proposal, Proposer, Result
    from hrfevo.space.search_space import SearchSpace

    Builder = Callable[[SearchSpace, np.random.Generator], Proposer]
    _B = TypeVar("_B", bound=Builder)


def _evolution(space: SearchSpace, generator: np.random.Generator) -> Proposer:
    from hrfevo.algorithms.evolution import Evolution

    return Evolution(space, generator)


def _genetic(space: SearchSpace, generator: np.random.Generator) -> Proposer:
    from hrfevo.algorithms.breeding.genetic import Genetic

    return Genetic(space, generator)


def _regularized(space: SearchSpace, generator: np.random.Generator) -> Proposer:
    from hrfevo.algorithms.breeding.regularized import RegularizedEvolution

    return RegularizedEvolution(space, generator)


def _random(space: SearchSpace, generator: np.random.Generator) -> Proposer:
    from hrfevo.algorithms.random import RandomSearch

    return RandomSearch(space, generator)


def _optuna(sampler: str, space: SearchSpace, generator: np.random.Generator) -> Proposer:
    from hrfevo.algorithms.optuna_samplers import OptunaSampler

    return OptunaSampler(sampler, space, generator)


def _survey(space: SearchSpace, generator: np.random.Generator) -> Proposer:
    from hrfevo.algorithms.survey import Survey

    return Survey(space, generator)


ALGORITHMS: dict[str, Builder] = {
    "evolution": _evolution,
    "genetic": _genetic,
    "regularized": _regularized,
    "random": _random,
    **{sampler: partial(_optuna, sampler) for sampler in ("tpe", "nsga2", "gp", "cmaes")},
}
"""What `--algorithm` takes, without what plugins add. Help and errors list them in this order."""

# What benchmarks are built with; no search needs them.
GRID, SURVEY = "grid", "survey"
# The names of what plugins have added, and where each is from.
_ADDED: dict[str, tuple[str, str]] = {}


def algorithm(name: str) -> Callable[[_B], _B]:
    """Decorator of a class or function that makes a `Proposer` or an `Algorithm` of a space and a generator.

    `--algorithm` then takes its name. Proposers that know nothing of rungs get successive halving.
    Raises ValueError for a name that is taken; one that is defined again, as in a notebook, takes the former's place.
    """

    def register(builder: _B) -> _B:
        home = (builder.__module__, builder.__qualname__)
        if name in (*ALGORITHMS, GRID, SURVEY) and _ADDED.get(name) != home:
            raise ValueError(f"algorithm {name!r} is there already; give it another name")
        ALGORITHMS[name], _ADDED[name] = builder, home
        note_definition(builder.__module__)
        return builder

    return register


def algorithms() -> Mapping[str, Builder]:
    """What `--algorithm` takes, by name, with what plugins add."""
    plugins()
    return ALGORITHMS


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

    Raises InputError for a name that is none of `algorithms()`, and for a space that it cannot search.

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
    build = _survey if name == SURVEY else algorithms()[name]
    algorithm = _from_rung_to_rung(build(space, generator), space)
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
    if name not in (*algorithms(), GRID, SURVEY):
        raise unknown(place, name)
    if name == "cmaes" and len(space.objectives) > 1:
        raise InputError(f"algorithm: cmaes searches for one objective, not {', '.join(space.objectives)}")


def begins_at_any_rung(name: str) -> bool:
    """Whether it learns as much of a genome that is trained to the last rung at once: others compare who climbs."""
    return algorithms().get(name) is _evolution


def unknown(place: str, name: str) -> InputError:
    """What to say of a name that is none, where it was given."""
    known = algorithms()
    return InputError(f"{place} {name}: no such algorithm{closest(name, known)}; accepted: {', '.join(known)}")


def _from_rung_to_rung(proposer: Proposer, space: SearchSpace) -> Algorithm:
    """The proposer itself where it is an algorithm, which goes from rung to rung."""
    from hrfevo.algorithms.base import Algorithm
    from hrfevo.algorithms.successive_halving import SuccessiveHalving

    return proposer if isinstance(proposer, Algorithm) else SuccessiveHalving(proposer, space)
