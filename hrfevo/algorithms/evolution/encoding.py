"""Genomes as vectors of one length, for models that predict fitness from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from hrfevo.space.genes import ChoiceGene, LayersGene, UnitGene, Value
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace

# What the order of layers counts beside what they are.
TILT = 0.3
# The genes that say how often a layer stands there, and whether with one set of weights.
REPEAT, SHARE = "repeat", "share"
# Layers whose numbers are remembered.
REMEMBERED = 4096


class Encoding:
    """Numbers in their own scale from 0 to 1, one column per value of a choice.

    A gene that is not active is halfway everywhere; whether a conditional gene is active has a column of
    its own only by way of the genes that decide it. Layers are their number, their sum, because what they cost adds up
    and most of what they do does not ask where, and how much of that sum lies late rather than early. One that is
    repeated counts so often: it is what as many layers are. Where they may share weights, how many sets there are has a
    column of its own.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._columns = _encoders(space.genes)
        self.columns = sum(len(idle) for _, _, idle in self._columns)
        """How many numbers a vector has."""

    def __call__(self, genomes: Sequence[Genome]) -> np.ndarray:
        """(genomes, columns), float64."""
        rows = [_encoded(self._columns, genome.values) for genome in genomes]
        return np.array(rows).reshape(len(rows), self.columns)


# The name of a gene, what its value is as numbers, and what stands there where it is not active.
_Encoder = tuple[str, Callable[[Any], Sequence[float]], Sequence[float]]


def _encoders(genes: Mapping[str, Any]) -> list[_Encoder]:
    """Chosen once: a search encodes a hundred genomes for every proposal."""
    found: list[_Encoder] = []
    for name, gene in genes.items():
        if isinstance(gene, LayersGene):
            layers = _Layers(gene)
            found.append((name, layers, [0.0] * layers.columns))
        elif isinstance(gene, ChoiceGene):
            found.append((name, partial(_one_hot, gene.values), [0.0] * len(gene.values)))
        else:
            assert isinstance(gene, UnitGene)
            found.append((name, gene.to_unit, [0.5] * gene.dimensions))
    return found


def _encoded(encoders: Sequence[_Encoder], values: Mapping[str, Value]) -> list[float]:
    columns: list[float] = []
    for name, encode, idle in encoders:
        columns += encode(values[name]) if name in values else idle
    return columns


def _one_hot(values: Sequence[Value], value: Value) -> list[float]:
    return [1.0 if value == other else 0.0 for other in values]


class _Layers:
    """A list of layers: how many, their sum, and how much of it lies late."""

    def __init__(self, gene: LayersGene) -> None:
        self._gene = gene
        self._encoders = _encoders({name: one for name, one in gene.genes.items() if name != REPEAT})
        self._shared = gene.fixed.get(SHARE, False)
        self._share = SHARE in gene.genes or self._shared
        self.columns = 1 + bool(self._share) + 2 * sum(len(idle) for _, _, idle in self._encoders)
        # Mutants have most of their layers from their parents, the very objects, which are never changed. They are kept
        # with what they are as numbers, so that no other object can have the same identity.
        self._seen: dict[int, tuple[Mapping[str, Value], list[float]]] = {}

    def __call__(self, values: Sequence[Mapping[str, Value]]) -> list[float]:
        gene, times = self._gene, [int(layer.get(REPEAT, 1)) for layer in values]
        layers, count = np.repeat([self._layer(layer) for layer in values], times, axis=0), sum(times)
        place = _places(count)
        sets = sum(1 if layer.get(SHARE, self._shared) else n for layer, n in zip(values, times, strict=True))
        number = [
            (many - gene.min) / max(1, gene.max - gene.min) for many in ((count, sets) if self._share else (count,))
        ]
        return [*number, *(layers.sum(axis=0) / gene.max).tolist(), *(place @ layers / gene.max).tolist()]

    def _layer(self, layer: Mapping[str, Value]) -> list[float]:
        if id(layer) not in self._seen:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            self._seen[id(layer)] = layer, _encoded(self._encoders, layer)
        return self._seen[id(layer)][1]


@cache
def _places(count: int) -> np.ndarray:
    return np.linspace(-TILT, TILT, count) if count > 1 else np.zeros(1)
