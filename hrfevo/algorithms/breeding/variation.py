"""Crossover and mutation of genomes, gene by gene, in each gene's own scale.

Conditions hold by construction: both walk the genes through `resolve`, so a gene that becomes active
gets a value (from a parent that has one, else a random one) and one that becomes idle is dropped.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
from deap import tools

from hrfevo.space.genes import BaseGene, ChoiceGene, IntGene, LayersGene, OrderedGene, UnitGene, Value
from hrfevo.space.genome import Genome, Values, resolve, sample_layer, sample_value
from hrfevo.space.search_space import SearchSpace

# How often mutation changes the list of layers itself. As one gene among dozens it would hardly ever be changed.
STRUCTURAL = 0.15
# Spread of children about their parents; small values spread wide, which suits budgets of some hundred trainings.
CROSSOVER_ETA = 10.0
MUTATION_ETA = 5.0


class Variation:
    """The operators of a space, with all their randomness from one generator."""

    changes = 1.0
    """Scalar genes that mutation changes on average, those drawn in vain not counted: one is changed at least."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self._entered = False
        # Names of genes by whose values others are active or idle, in the space or in a layer.
        self._deciding = frozenset(name for gene in _all_genes(space.genes) for name in gene.conditions)

    def crossover(self, first: Genome, second: Genome) -> Genome:
        """A child of two parents: SBX (Deb & Agrawal 1995) for numbers, a coin for choices, layer by layer for layers.

        Where a gene is taken from one parent, the genes that depend on it are taken from the same one.
        """
        with self.randomness():
            return Genome(self._cross(self._space.genes, first.values, second.values))

    def mutate(self, parent: Genome) -> Genome:
        """A changed copy: each scalar gene with probability `changes` / (number of active genes), and with `STRUCTURAL`
        the list of layers, of which one is inserted, deleted, swapped or copied over another; at least one of all."""
        count = _count(parent.values)
        chosen = self._generator.random(count) < self.changes / count
        layered = any(isinstance(gene, LayersGene) for gene in self._space.genes.values())
        restructures = layered and bool(self._generator.random() < STRUCTURAL)
        if not chosen.any() and not restructures:
            chosen[self._generator.integers(count)] = True
        with self.randomness():
            return Genome(self._mutate(self._space.genes, parent.values, iter(chosen.tolist()), restructures))

    def _cross(self, genes: Mapping[str, Any], first: Mapping[str, Value], second: Mapping[str, Value]) -> Values:
        parents = first, second
        origins: dict[str, int] = {}  # of the genes that came whole from one parent that the other is unlike

        def choose(name: str, gene: BaseGene) -> Value:
            having = [index for index in (0, 1) if name in parents[index]]
            linked = [origins[other] for other in gene.conditions if other in origins]
            if linked and linked[0] in having:
                having = linked[:1]
            if not having:
                return sample_value(gene, self._generator)
            if len(having) == 1:
                origins[name] = having[0]
                return parents[having[0]][name]
            one, other = first[name], second[name]
            if one == other:
                return one
            if isinstance(gene, LayersGene):
                return self._cross_layers(gene, one, other)
            if isinstance(gene, UnitGene):
                ends = [0.0] * gene.dimensions, [1.0] * gene.dimensions
                children = tools.cxSimulatedBinaryBounded(gene.to_unit(one), gene.to_unit(other), CROSSOVER_ETA, *ends)
                return gene.from_unit(children[int(self._generator.integers(2))])
            origins[name] = int(self._generator.integers(2))
            return parents[origins[name]][name]

        return resolve(genes, choose)

    def _cross_layers(self, gene: LayersGene, first: list[Values], second: list[Values]) -> list[Values]:
        count = len(first) if self._generator.random() < 0.5 else len(second)
        layers = []
        for index in range(count):
            here = [layers[index] for layers in (first, second) if index < len(layers)]
            layers.append(self._cross(gene.genes, here[0], here[-1]))
        return layers

    def _mutate(
        self,
        genes: Mapping[str, Any],
        parent: Mapping[str, Value],
        decisions: Iterator[bool],
        restructures: bool = False,
    ) -> Values:
        changed: Values = {}
        for name, value in parent.items():
            gene = genes[name]
            if isinstance(gene, LayersGene):
                layers = [self._mutated_layer(gene, layer, list(islice(decisions, len(layer)))) for layer in value]
                changed[name] = self._restructured(gene, layers) if restructures else layers
            elif next(decisions):
                changed[name] = self._mutated(gene, value)
        child = {**parent, **changed}
        if self._deciding.isdisjoint(changed):
            return child

        def choose(name: str, gene: BaseGene) -> Value:
            return child[name] if name in child else sample_value(gene, self._generator)

        return resolve(genes, choose)

    def _mutated_layer(self, gene: LayersGene, layer: Values, decisions: list[bool]) -> Values:
        return self._mutate(gene.genes, layer, iter(decisions)) if any(decisions) else layer

    def _restructured(self, gene: LayersGene, layers: list[Values]) -> list[Values]:
        """One layer inserted, deleted, swapped with another or copied over another."""
        generator = self._generator
        moves = (["insert"] if len(layers) < gene.max else []) + (["delete"] if len(layers) > gene.min else [])
        moves += ["swap", "copy"] if len(layers) > 1 else []
        if not moves:
            return layers
        move = moves[int(generator.integers(len(moves)))]
        if move == "insert":
            at = int(generator.integers(len(layers) + 1))
            return [*layers[:at], sample_layer(gene, generator), *layers[at:]]
        if move == "delete":
            at = int(generator.integers(len(layers)))
            return layers[:at] + layers[at + 1 :]
        one, other = generator.choice(len(layers), 2, replace=False).tolist()
        result = list(layers)
        result[one], result[other] = layers[other], layers[one] if move == "swap" else layers[other]
        return result

    def _mutated(self, gene: BaseGene, value: Value) -> Value:
        """Another value: polynomial mutation (Deb & Goyal 1996) for numbers, at least one step for
        whole numbers and ordered lists, any other value for choices."""
        if isinstance(gene, ChoiceGene):
            others = [other for other in gene.values if other != value]
            return others[int(self._generator.integers(len(others)))] if others else value
        assert isinstance(gene, UnitGene)
        ends = [0.0] * gene.dimensions, [1.0] * gene.dimensions
        (unit,) = tools.mutPolynomialBounded(gene.to_unit(value), MUTATION_ETA, *ends, indpb=1.0)
        changed = gene.from_unit(unit)
        if changed == value and isinstance(gene, IntGene | OrderedGene):
            return gene.neighbour(value, 1 if self._generator.random() < 0.5 else -1)
        return changed

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """Python's global generator, which DEAP's operators draw from, seeded by this one; afterwards as it was.

        Taking the state out and back in costs as much as a child: enter once for many.
        """
        if self._entered:
            yield
            return
        before = random.getstate()
        random.seed(int(self._generator.integers(2**63)))
        self._entered = True
        try:
            yield
        finally:
            self._entered = False
            random.setstate(before)


def _all_genes(genes: Mapping[str, Any]) -> Iterator[Any]:
    """Those of layers included."""
    for gene in genes.values():
        yield gene
        if isinstance(gene, LayersGene):
            yield from gene.genes.values()


def _count(values: Mapping[str, Value]) -> int:
    """Active scalar genes, those of layers included."""
    layers = values.get("layers")
    if not isinstance(layers, list):
        return len(values)
    return len(values) - 1 + sum(len(layer) for layer in layers)
