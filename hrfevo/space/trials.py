"""Genomes that show whether models can be built from a space: each gene at each of its extremes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hrfevo.space.genes import BaseGene, LayersGene, Value
from hrfevo.space.genome import Genome, express, resolve
from hrfevo.space.search_space import SearchSpace
from signal_model.config import TrainingConfig
from signal_model.support.files import Place


def misfit(space: SearchSpace, genome: Genome) -> tuple[str, ErrorDetails] | None:
    """The first setting of a genome that does not fit, behind the section that it is of; None if all do."""
    try:
        express(space, genome, seed=0)
    except ValidationError as error:
        section = "training" if error.title == TrainingConfig.__name__ else "model"
        return section, error.errors(include_url=False)[0]
    return None


def trials(space: SearchSpace) -> Iterator[tuple[Genome, tuple[Place, Value]]]:
    """Genomes in which each gene in turn is active and at each of its extremes; with that gene's place and value."""
    for name, gene in space.genes.items():
        if isinstance(gene, LayersGene):
            for inner_name, inner in gene.genes.items():
                for value in inner.extremes():
                    layer = forced(gene.genes, {inner_name: value})
                    tried: Place = (name, "genes", inner_name)
                    yield Genome(forced(space.genes, {name: [layer] * gene.min})), (tried, value)
        else:
            for value in gene.extremes():
                yield Genome(forced(space.genes, {name: value})), ((name,), value)


def simplest(space: SearchSpace) -> Genome:
    """Every gene at its first value: numbers at their lowest, as few layers as there may be."""
    return Genome(forced(space.genes, {}))


def forced(genes: Mapping[str, Any], wanted: dict[str, Value]) -> dict[str, Value]:
    """Values in which `wanted` is active; other genes take the first value that allows it."""
    required: dict[str, Value] = {}
    waiting = list(wanted)
    while waiting:
        for other, values in genes[waiting.pop()].conditions.items():
            if other not in wanted and other not in required:
                required[other] = values[0]
                waiting.append(other)

    def choose(name: str, gene: BaseGene) -> Value:
        if name in wanted or name in required:
            return wanted.get(name, required.get(name))
        if isinstance(gene, LayersGene):
            return [forced(gene.genes, {})] * gene.min
        return gene.extremes()[0]

    return resolve(genes, choose)
