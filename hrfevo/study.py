"""Genomes as Optuna knows them: parameters and distributions of a study."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hrfevo.genes import BaseGene, ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.space import SearchSpace

if TYPE_CHECKING:
    import optuna


def flat_parameters(space: SearchSpace, values: Mapping[str, Value]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The active genes as Optuna has parameters: values and distributions.

    Numbers are coordinates in [0, 1] of their own scale, an interval is two of them, choices are text; layers are
    `layers`, their number, and `layers[0].mixer.kind`.
    """
    parameters: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    _flatten(space.genes, values, "", parameters, distributions)
    return parameters, distributions


def _flatten(
    genes: Mapping[str, Any],
    values: Mapping[str, Value],
    place: str,
    parameters: dict[str, Any],
    distributions: dict[str, Any],
) -> None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    for name, gene in genes.items():
        if name not in values:
            continue
        where = f"{place}{name}"
        if isinstance(gene, LayersGene):
            parameters[where] = len(values[name])
            distributions[where] = IntDistribution(gene.min, gene.max)
            for index, layer in enumerate(values[name]):
                _flatten(gene.genes, layer, f"{where}[{index}].", parameters, distributions)
        elif isinstance(gene, ChoiceGene):
            names = labels(gene)
            parameters[where] = names[gene.values.index(values[name])]
            distributions[where] = CategoricalDistribution(names)
        else:
            assert isinstance(gene, UnitGene)
            for axis, unit in zip(axes(where, gene), gene.to_unit(values[name]), strict=True):
                parameters[axis] = unit
                distributions[axis] = FloatDistribution(0.0, 1.0)


def labels(gene: ChoiceGene) -> list[str]:
    """The values of a choice as text, each different."""
    plain = [str(value) for value in gene.values]
    return plain if len(set(plain)) == len(plain) else [json.dumps(value) for value in gene.values]


def axes(name: str, gene: BaseGene) -> list[str]:
    """Names of a gene's coordinates: its own, or two for an interval."""
    ends = ("low", "high")
    return [name] if not isinstance(gene, UnitGene) or gene.dimensions == 1 else [f"{name}.{end}" for end in ends]


def new_study(
    space: SearchSpace, objectives: Sequence[str], sampler: optuna.samplers.BaseSampler | None = None
) -> optuna.Study:
    """An empty study in memory with the directions of these objectives."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = [space.objectives[name] for name in objectives]  # type: ignore[index]
    return optuna.create_study(directions=directions, sampler=sampler)
