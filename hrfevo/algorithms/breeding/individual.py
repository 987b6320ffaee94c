"""Individuals as DEAP knows them, and who of them is best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from deap import base, tools

from hrfevo.space.genome import Genome


class Fitness(base.Fitness):
    """Objective values with their directions (-1 minimise, 1 maximise), kept per instance.

    DEAP's own way puts the directions into classes made at run time in `deap.creator`'s globals.
    """

    def __init__(self, weights: Sequence[float], values: Sequence[float] = ()) -> None:
        self.weights = tuple(weights)
        super().__init__(values)

    def __deepcopy__(self, memo: dict[int, Any]) -> Fitness:
        copy = Fitness(self.weights)
        copy.wvalues = self.wvalues
        return copy


class Individual:
    """A genome with its fitness at a rung, so a copy is itself.

    `standing` is what tournaments compare: the higher the better among those that `best_first` has put in order.
    """

    def __init__(self, genome: Genome, fitness: Fitness, rung: int) -> None:
        self.genome, self.fitness, self.rung = genome, fitness, rung
        self.standing = (0, 0, 0.0)

    def __deepcopy__(self, memo: dict[int, Any]) -> Individual:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Individual) and self.genome == other.genome

    def __hash__(self) -> int:
        return hash(self.genome)


def best_first(individuals: Sequence[Individual], count: int) -> list[Individual]:
    """The best `count`: higher rungs first, within a rung by NSGA-II (Deb et al. 2002).

    Values from different rungs are never compared with one another. Also sets the standing that tournaments compare.
    """
    chosen: list[Individual] = []
    for rung in sorted({individual.rung for individual in individuals}, reverse=True):
        peers = [individual for individual in individuals if individual.rung == rung]
        for rank, front in enumerate(_fronts(peers)):
            tools.emo.assignCrowdingDist(front)
            for individual in front:
                individual.standing = (rung, -rank, individual.fitness.crowding_dist)
            if len(chosen) + len(front) > count:
                front.sort(key=lambda individual: individual.fitness.crowding_dist, reverse=True)
            chosen += front[: count - len(chosen)]
            if len(chosen) == count:
                return chosen
    return chosen


def _fronts(individuals: Sequence[Individual]) -> list[list[Individual]]:
    """Non-dominated fronts, the best first. DEAP's own sorts take a hundred times as long for thousands."""
    import moocore

    ranks = moocore.pareto_rank(np.array([i.fitness.wvalues for i in individuals]), maximise=True)
    fronts: list[list[Individual]] = [[] for _ in range(int(ranks.max()) + 1)]
    for individual, rank in zip(individuals, ranks, strict=True):
        fronts[int(rank)].append(individual)
    return fronts


def new_archive() -> tools.ParetoFront:
    """Two genomes with equal fitness are both kept; one genome is kept once."""
    return tools.ParetoFront(similar=lambda a, b: a.genome == b.genome)
