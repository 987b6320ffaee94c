"""Aging evolution: the youngest stay, however good the oldest is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from hrfevo.algorithms.base import Seen
from hrfevo.algorithms.random import ATTEMPTS
from hrfevo.algorithms.variation import Variation
from hrfevo.genome import Genome, sample
from hrfevo.individual import Fitness, Individual, best_first
from hrfevo.records import Proposal, Result
from hrfevo.space import SearchSpace

# Of the population, the share that competes to be the parent: 25 of 100 in the paper.
TOURNAMENT = 0.25
MUTATION_ATTEMPTS = 50


class RegularizedEvolution:
    """Regularized evolution (Real et al. 2019, arXiv 1802.01548) for any number of objectives.

    The first μ proposals are random. After that the best of a random quarter of the μ youngest, by
    rank and crowding, is mutated. An individual measured again at a higher rung keeps its age.
    """

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self._variation = Variation(space, generator)
        self._population: deque[Individual] = deque(maxlen=space.population)
        self._contestants = max(2, round(TOURNAMENT * space.population))
        self._seen = Seen()
        self._asked = 0
        self._exhausted = False

    def ask(self) -> Proposal | None:
        if self._exhausted:
            return None
        founding = self._asked < self._space.population or len(self._population) < self._contestants
        proposal = None if founding else self._mutant()
        if proposal is None:
            genome = self._seen.first_new(lambda: sample(self._space, self._generator), ATTEMPTS)
            self._exhausted = genome is None
            if genome is None:
                return None
            proposal = Proposal(genome, "random")
        self._asked += 1
        return proposal

    def adopt(self, genome: Genome) -> None:
        self._seen.add(genome)
        self._asked += 1

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            if result.objectives is None:
                continue
            genome, rung = result.proposal.genome, result.proposal.rung
            individual = Individual(genome, Fitness(self._space.weights, result.objectives), rung)
            if individual in self._population:
                self._population[self._population.index(individual)] = individual
            elif rung == 0:
                self._population.append(individual)

    def _mutant(self) -> Proposal | None:
        chosen = self._generator.choice(len(self._population), self._contestants, replace=False)
        parent: Genome = best_first([self._population[index] for index in chosen], 1)[0].genome
        child = self._seen.first_new(lambda: self._variation.mutate(parent), MUTATION_ATTEMPTS)
        return None if child is None else Proposal(child, "mutation", (parent.id,))
