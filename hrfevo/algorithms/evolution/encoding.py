"""Genomes as vectors of one length, for models that predict fitness from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hrfevo.genes import ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.genome import Genome
from hrfevo.space import SearchSpace


class Encoding:
    """Coordinates in [0, 1]: numbers in their own scale, one column per value of a choice.

    A gene that is not active is halfway everywhere; whether a conditional gene is active has a column of
    its own only by way of the genes that decide it. Layers are their number, their mean, the first and the last.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._genes = space.genes

    def __call__(self, genomes: Sequence[Genome]) -> np.ndarray:
        """(genomes, columns), float64."""
        return np.array([self._encoded(self._genes, genome.values) for genome in genomes])

    def _encoded(self, genes: Mapping[str, Any], values: Mapping[str, Value]) -> list[float]:
        columns: list[float] = []
        for name, gene in genes.items():
            if isinstance(gene, LayersGene):
                layers = np.array([self._encoded(gene.genes, layer) for layer in values[name]])
                columns.append((len(layers) - gene.min) / max(1, gene.max - gene.min))
                columns += [*layers.mean(axis=0), *layers[0], *layers[-1]]
            elif isinstance(gene, ChoiceGene):
                columns += [float(name in values and values[name] == value) for value in gene.values]
            else:
                assert isinstance(gene, UnitGene)
                columns += gene.to_unit(values[name]) if name in values else [0.5] * gene.dimensions
        return columns
