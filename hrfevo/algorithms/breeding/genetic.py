"""NSGA-II on DEAP, steady state or in generations: evolution without a surrogate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from deap import base, tools

from hrfevo.algorithms.base import Proposal, Result, Seen
from hrfevo.algorithms.breeding.founding import MUTATION_ATTEMPTS, Breeding
from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first
from hrfevo.algorithms.breeding.variation import Variation
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace

CROSSOVER_PROBABILITY = 0.8


class Population:
    """The best μ individuals so far and their offspring, as NSGA-II has them (Deb et al. 2002).

    Two parents, each the better of a random pair, give one child, by crossover and mutation or by mutation alone. Rank
    and crowding say who is better and keep the best μ of parents and children, those of higher rungs first: scores of
    different rungs are never compared, as DEAP's `selTournamentDCD` would.
    """

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self.variation = Variation(space, generator)
        self.individuals: list[Individual] = []
        self.toolbox = base.Toolbox()
        self.toolbox.register("parents", tools.selTournament, k=2, tournsize=2, fit_attr="standing")
        self.toolbox.register("mate", self.variation.crossover)
        self.toolbox.register("mutate", self.variation.mutate)
        self.toolbox.register("select", best_first, count=space.population)

    @property
    def ready(self) -> bool:
        """Whether there are enough parents for a tournament."""
        return len(self.individuals) >= 4

    def add(self, results: Sequence[Result]) -> None:
        """Let results compete with the population; several at once are one generation."""
        measured = [
            Individual(result.proposal.genome, Fitness(self._space.weights, result.objectives), result.proposal.rung)
            for result in results
            if result.objectives is not None
        ]
        failed = {result.proposal.genome for result in results if result.objectives is None}
        members = {one.genome for one in self.individuals}
        if failed & members or any(one.genome in members or self._may_enter(one) for one in measured):
            # An individual measured at a higher rung takes the place of itself at a lower one; one that failed there
            # is no longer an example.
            latest = {one.genome: one for one in [*self.individuals, *measured] if one.genome not in failed}
            self.individuals = self.toolbox.select(list(latest.values())) if latest else []

    def _may_enter(self, one: Individual) -> bool:
        """Whether a newcomer can have a place: not where all are of a higher rung, or the last of them better."""
        if len(self.individuals) < self._space.population:
            return True
        *place, _ = self.individuals[-1].standing
        last = [member for member in self.individuals if [*member.standing[:2]] == place]
        if one.rung != last[0].rung:
            return one.rung > last[0].rung
        return not any(member.fitness.dominates(one.fitness) for member in last)

    def offspring(self, count: int = 1) -> list[Proposal]:
        """Children, which may be known already."""
        with self.variation.randomness():
            return [self._child() for _ in range(count)]

    def unseen(self, seen: Seen) -> Proposal | None:
        """A child that was not seen before, noted there; None if there is none after `MUTATION_ATTEMPTS`."""
        children = (self.offspring()[0] for _ in range(MUTATION_ATTEMPTS))
        return next((child for child in children if seen.add(child.genome)), None)

    def _child(self) -> Proposal:
        first, second = self.toolbox.parents(self.individuals)
        mate = first != second and self._generator.random() < CROSSOVER_PROBABILITY
        genome: Genome = self.toolbox.mate(first.genome, second.genome) if mate else first.genome
        child: Genome = self.toolbox.mutate(genome)
        if mate:
            return Proposal(child, "crossover", (first.genome.id, second.genome.id))
        return Proposal(child, "mutation", (first.genome.id,))


class Genetic(Breeding):
    """(μ + λ) NSGA-II: λ is 1 told one result at a time, a generation told at once."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        super().__init__(space, generator)
        self.population = Population(space, generator)

    def tell(self, results: Sequence[Result]) -> None:
        self.population.add(results)

    @property
    def _ready(self) -> bool:
        return self.population.ready

    def _offspring(self) -> Proposal | None:
        return self.population.unseen(self._random.seen)
