"""Aging evolution: the youngest stay, however good the oldest is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from hrfevo.algorithms.base import Proposal, Result, Seen
from hrfevo.algorithms.breeding.founding import MUTATION_ATTEMPTS, Breeding
from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first
from hrfevo.algorithms.breeding.variation import Variation
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace

# Of the population, the share that competes to be the parent: 25 of 100 in the paper.
TOURNAMENT = 0.25


class RegularizedEvolution(Breeding):
    """Regularized evolution (Real et al. 2019, arXiv 1802.01548) for any number of objectives.

    The first μ proposals are random. After that the best of a random quarter of the μ youngest, by
    rank and crowding, is mutated. An individual measured again keeps its age.
    """

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        super().__init__(space, generator)
        self._variation = Variation(space, generator)
        self._population: deque[Individual] = deque(maxlen=space.population)
        self._born = Seen()
        self._contestants = max(2, round(TOURNAMENT * space.population))

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.objectives is None:
                continue
            genome, rung = result.proposal.genome, result.proposal.rung
            individual = Individual(genome, Fitness(self._space.weights, result.objectives), rung)
            if individual in self._population:
                self._population[self._population.index(individual)] = individual
            elif self._born.add(genome):
                self._population.append(individual)

    @property
    def _ready(self) -> bool:
        return len(self._population) >= self._contestants

    def _offspring(self) -> Proposal | None:
        chosen = self._generator.choice(len(self._population), self._contestants, replace=False)
        parent: Genome = best_first([self._population[index] for index in chosen], 1)[0].genome
        child = self._random.seen.first_new(lambda: self._variation.mutate(parent), MUTATION_ATTEMPTS)
        return None if child is None else Proposal(child, "mutation", (parent.id,))
