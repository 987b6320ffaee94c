"""Crossover and mutation of genomes, gene by gene, in each gene's own scale.

Conditions hold by construction: both walk the genes through `resolve`, so a gene that becomes active
gets a value (from a parent that has one, else a random one) and one that becomes idle is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from deap import tools

from hrfevo.genes import BaseGene, ChoiceGene, IntGene, LayersGene, OrderedGene, UnitGene, Value
from hrfevo.genome import Genome, Values, resolve, sample_layer, sample_value
from hrfevo.space import SearchSpace

# Spread of children about their parents; small values spread wide, which suits budgets of some hundred trainings.
CROSSOVER_ETA = 10.0
MUTATION_ETA = 5.0


def crossover(space: SearchSpace, first: Genome, second: Genome, *, generator: np.random.Generator) -> Genome:
    """A child of two parents: SBX (Deb & Agrawal 1995) for numbers, a coin for choices, layer by layer for layers."""
    return Genome(_cross(space.genes, first.values, second.values, generator))


def _cross(
    genes: Mapping[str, Any], first: Mapping[str, Value], second: Mapping[str, Value], generator: np.random.Generator
) -> Values:
    def choose(name: str, gene: BaseGene) -> Value:
        if name in first and name in second:
            return _cross_value(gene, first[name], second[name], generator)
        if name in first or name in second:
            return first.get(name, second.get(name))
        return sample_value(gene, generator)

    return resolve(genes, choose)


def _cross_value(gene: BaseGene, first: Value, second: Value, generator: np.random.Generator) -> Value:
    if first == second:
        return first
    if isinstance(gene, LayersGene):
        count = len(first) if generator.random() < 0.5 else len(second)
        layers = []
        for index in range(count):
            here = [layers[index] for layers in (first, second) if index < len(layers)]
            layers.append(_cross(gene.genes, here[0], here[-1], generator))
        return layers
    if isinstance(gene, UnitGene):
        children = tools.cxSimulatedBinaryBounded(
            gene.to_unit(first), gene.to_unit(second), CROSSOVER_ETA, [0.0] * gene.dimensions, [1.0] * gene.dimensions
        )
        return gene.from_unit(children[int(generator.integers(2))])
    return first if generator.random() < 0.5 else second


def mutate(space: SearchSpace, parent: Genome, *, generator: np.random.Generator) -> Genome:
    """A changed copy: each scalar gene with probability 1 / (number of active genes), at least one of them."""
    count = _count(parent.values)
    chosen = generator.random(count) < 1 / count
    chosen[generator.integers(count)] = True
    decisions = iter(chosen.tolist())
    return Genome(_mutate(space.genes, parent.values, decisions, generator))


def _count(values: Mapping[str, Value]) -> int:
    """Active scalar genes, those of layers included, plus one for the list of layers itself."""
    layers = values.get("layers")
    if not isinstance(layers, list):
        return len(values)
    return len(values) + sum(len(layer) for layer in layers)


def _mutate(
    genes: Mapping[str, Any], parent: Mapping[str, Value], decisions: Any, generator: np.random.Generator
) -> Values:
    def choose(name: str, gene: BaseGene) -> Value:
        if name not in parent:
            return sample_value(gene, generator)
        changes = next(decisions)
        value = parent[name]
        if isinstance(gene, LayersGene):
            layers = [_mutate(gene.genes, layer, decisions, generator) for layer in value]
            return _restructured(gene, layers, generator) if changes else layers
        return _mutated(gene, value, generator) if changes else value

    return resolve(genes, choose)


def _restructured(gene: LayersGene, layers: list[Values], generator: np.random.Generator) -> list[Values]:
    """One layer inserted, deleted, swapped with another or copied over another."""
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


def _mutated(gene: BaseGene, value: Value, generator: np.random.Generator) -> Value:
    """Another value: polynomial mutation (Deb & Goyal 1996) for numbers, at least one step for
    whole numbers and ordered lists, any other value for choices."""
    if isinstance(gene, ChoiceGene):
        others = [other for other in gene.values if other != value]
        return others[int(generator.integers(len(others)))] if others else value
    assert isinstance(gene, UnitGene)
    ends = [0.0] * gene.dimensions, [1.0] * gene.dimensions
    (unit,) = tools.mutPolynomialBounded(gene.to_unit(value), MUTATION_ETA, *ends, indpb=1.0)
    changed = gene.from_unit(unit)
    if changed == value and isinstance(gene, IntGene | OrderedGene):
        return gene.neighbour(value, 1 if generator.random() < 0.5 else -1)
    return changed
