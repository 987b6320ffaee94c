"""Genomes as vectors of one length, for models that predict fitness from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hrfevo.space.genes import ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace

# What the order of layers counts beside what they are.
TILT = 0.3


class Encoding:
    """Numbers in their own scale from 0 to 1, one column per value of a choice.

    A gene that is not active is halfway everywhere; whether a conditional gene is active has a column of
    its own only by way of the genes that decide it. Layers are their number, their sum, because what they cost adds up
    and most of what they do does not ask where, and how much of that sum lies late rather than early.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._genes = space.genes

    def __call__(self, genomes: Sequence[Genome]) -> np.ndarray:
        """(genomes, columns), float64."""
        return np.array([self._encoded(self._genes, genome.values) for genome in genomes])

    @property
    def columns(self) -> int:
        """How many numbers a vector has."""
        return _columns(self._genes)

    def _encoded(self, genes: Mapping[str, Any], values: Mapping[str, Value]) -> list[float]:
        columns: list[float] = []
        for name, gene in genes.items():
            if isinstance(gene, LayersGene):
                layers = np.array([self._encoded(gene.genes, layer) for layer in values[name]])
                columns.append((len(layers) - gene.min) / max(1, gene.max - gene.min))
                place = np.linspace(-TILT, TILT, len(layers)) if len(layers) > 1 else np.zeros(1)
                columns += [*layers.sum(axis=0) / gene.max, *place @ layers / gene.max]
            elif isinstance(gene, ChoiceGene):
                columns += [float(name in values and values[name] == value) for value in gene.values]
            else:
                assert isinstance(gene, UnitGene)
                columns += gene.to_unit(values[name]) if name in values else [0.5] * gene.dimensions
        return columns


def _columns(genes: Mapping[str, Any]) -> int:
    count = 0
    for gene in genes.values():
        if isinstance(gene, LayersGene):
            count += 1 + 2 * _columns(gene.genes)
        else:
            count += len(gene.values) if isinstance(gene, ChoiceGene) else gene.dimensions
    return count
