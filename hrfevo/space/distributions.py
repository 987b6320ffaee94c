"""Genomes as Optuna knows them: parameters and distributions of a study."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hrfevo.space.genes import (
    BaseGene,
    ChoiceGene,
    FloatGene,
    IntervalGene,
    IntGene,
    LayersGene,
    ListedGene,
    OrderedGene,
    UnitGene,
    Value,
    is_numeric,
)
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.values import place_of

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution

    # Optuna's parameters of a gene that has coordinates: name, value, distribution.
    Coordinates = Callable[[str, UnitGene, Value], Iterator[tuple[str, Any, BaseDistribution]]]


def in_unit_scale(name: str, gene: UnitGene, value: Value) -> Iterator[tuple[str, Any, BaseDistribution]]:
    """Coordinates in [0, 1], alike for all genes; an interval has two."""
    from optuna.distributions import FloatDistribution

    for axis, unit in zip(axes(name, gene), gene.to_unit(value), strict=True):
        yield axis, unit, FloatDistribution(0.0, 1.0)


def in_own_scale(name: str, gene: UnitGene, value: Value) -> Iterator[tuple[str, Any, BaseDistribution]]:
    """The values as people read them: numbers in their range, an interval's two ends, other ordered ones as text."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(gene, OrderedGene):
        choices = gene.values if is_numeric(gene) else labels(gene)
        yield name, choices[place_of(value, gene.values)], CategoricalDistribution(choices)
    elif isinstance(gene, IntGene):
        yield name, value, IntDistribution(gene.low, gene.high, gene.log)
    else:
        assert isinstance(gene, FloatGene | IntervalGene)
        ends = value if isinstance(gene, IntervalGene) else [value]
        for axis, end in zip(axes(name, gene), ends, strict=True):
            yield axis, end, FloatDistribution(gene.low, gene.high, gene.log)


def flat_parameters(
    space: SearchSpace, values: Mapping[str, Value], coordinates: Coordinates = in_unit_scale
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The active genes as Optuna has parameters: values and distributions.

    Numbers are as `coordinates` says, choices are text; layers are `layers`, their number, and `layers[0].mixer.kind`.
    """
    parameters: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    _flatten(space.genes, values, "", coordinates, parameters, distributions)
    return parameters, distributions


def _flatten(
    genes: Mapping[str, Any],
    values: Mapping[str, Value],
    place: str,
    coordinates: Coordinates,
    parameters: dict[str, Any],
    distributions: dict[str, Any],
) -> None:
    from optuna.distributions import CategoricalDistribution, IntDistribution

    for name, gene in genes.items():
        if name not in values:
            continue
        where = f"{place}{name}"
        if isinstance(gene, LayersGene):
            parameters[where] = len(values[name])
            distributions[where] = IntDistribution(gene.min, gene.max)
            for index, layer in enumerate(values[name]):
                _flatten(gene.genes, layer, f"{where}[{index}].", coordinates, parameters, distributions)
        elif isinstance(gene, ChoiceGene):
            names = labels(gene)
            parameters[where] = names[place_of(values[name], gene.values)]
            distributions[where] = CategoricalDistribution(names)
        else:
            assert isinstance(gene, UnitGene)
            for axis, coordinate, distribution in coordinates(where, gene, values[name]):
                parameters[axis] = coordinate
                distributions[axis] = distribution


def labels(gene: ListedGene) -> list[str]:
    """The values of a choice as text, each different."""
    plain = [str(value) for value in gene.values]
    return plain if len(set(plain)) == len(plain) else [json.dumps(value) for value in gene.values]


def axes(name: str, gene: BaseGene) -> list[str]:
    """Names of a gene's coordinates: its own, or two for an interval."""
    ends = ("low", "high")
    return [name] if not isinstance(gene, UnitGene) or gene.dimensions == 1 else [f"{name}.{end}" for end in ends]


def adapted_by_cmaes(space: SearchSpace) -> list[str]:
    """Genes that CMA-ES moves: numbers that every genome has, two at least. Others it leaves to chance."""
    always = [name for name, gene in space.genes.items() if isinstance(gene, UnitGene) and not gene.conditions]
    return always if sum(len(axes(name, space.genes[name])) for name in always) > 1 else []


def new_study(
    space: SearchSpace, objectives: Sequence[str], sampler: optuna.samplers.BaseSampler | None = None
) -> optuna.Study:
    """An empty study in memory with the directions of these objectives."""
    import optuna

    # Below that it warns of every parameter of every trial that a sampler leaves to chance.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = [space.objectives[name] for name in objectives]
    return optuna.create_study(directions=directions, sampler=sampler)
