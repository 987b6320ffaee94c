"""NSGA-II on DEAP, steady state or in generations."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from deap import base, tools

from hrfevo.algorithms.base import Seen
from hrfevo.algorithms.random import ATTEMPTS
from hrfevo.algorithms.variation import crossover, mutate
from hrfevo.genome import Genome, sample
from hrfevo.individual import Fitness, Individual, best_first
from hrfevo.records import Proposal, Result
from hrfevo.space import SearchSpace

CROSSOVER_PROBABILITY = 0.8
MUTATION_ATTEMPTS = 50


class Evolution:
    """(μ + λ) NSGA-II (Deb et al. 2002): λ is 1 told one result at a time, a generation told at once.

    The first μ proposals are random. After that, two parents from a crowded tournament
    (`selTournamentDCD`) give one child, by crossover and mutation or by mutation alone;
    `selNSGA2` keeps the best μ of parents and children.
    """

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        # DEAP's operators draw from Python's global generator: they get this one's state while they run.
        self._deap_state = random.Random(int(generator.integers(2**63))).getstate()
        self._seen = Seen()
        self._asked = 0
        self._exhausted = False
        self.population: list[Individual] = []
        self.toolbox = base.Toolbox()
        self.toolbox.register("parents", tools.selTournamentDCD, k=4)
        self.toolbox.register("mate", crossover, space, generator=generator)
        self.toolbox.register("mutate", mutate, space, generator=generator)
        self.toolbox.register("select", best_first, count=space.population)

    def ask(self) -> Proposal | None:
        if self._exhausted:
            return None
        founding = self._asked < self._space.population or len(self.population) < 4
        proposal = None if founding else self._offspring()
        if proposal is None:
            genome = self._seen.first_new(lambda: sample(self._space, self._generator), ATTEMPTS)
            if genome is None:
                self._exhausted = True
                return None
            proposal = Proposal(genome, "random")
        self._asked += 1
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        measured = [
            Individual(result.proposal.genome, Fitness(self._space.weights, result.objectives), result.proposal.rung)
            for result in results
            if result.objectives is not None
        ]
        if measured:
            # An individual measured at a higher rung takes the place of itself at a lower one.
            latest = {individual.genome: individual for individual in [*self.population, *measured]}
            self.population = self.toolbox.select(list(latest.values()))

    def _offspring(self) -> Proposal | None:
        with self._deap_randomness():
            first, second, *_ = self.toolbox.parents(self.population)
            mate = first != second and self._generator.random() < CROSSOVER_PROBABILITY
            genome = self._seen.first_new(lambda: self._child(first, second, mate), MUTATION_ATTEMPTS)
        if genome is None:
            return None
        if mate:
            return Proposal(genome, "crossover", (first.genome.id, second.genome.id))
        return Proposal(genome, "mutation", (first.genome.id,))

    def _child(self, first: Individual, second: Individual, mate: bool) -> Genome:
        genome: Genome = self.toolbox.mate(first.genome, second.genome) if mate else first.genome
        child: Genome = self.toolbox.mutate(genome)
        return child

    @contextmanager
    def _deap_randomness(self) -> Iterator[None]:
        before = random.getstate()
        random.setstate(self._deap_state)
        try:
            yield
        finally:
            self._deap_state = random.getstate()
            random.setstate(before)
