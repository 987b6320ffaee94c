"""Genomes that cover a space and its good region, all to the last rung: what an emulator is fitted to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from hrfevo.algorithms.base import FOUNDER, PROMOTION, Proposal, Result
from hrfevo.algorithms.breeding.genetic import Population
from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first
from hrfevo.algorithms.random import RandomSearch
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace

# One in so many trainings repeats a genome with another seed.
EACH = 10
# The best are repeated so often; others, drawn at random, as often as they are drawn.
REPEATS = 3


class Survey:
    """Half of the genomes uniform in the space, half offspring of the best so far, some trained again.

    As NAS-Bench-301 was gathered (Zela et al. 2022, arXiv 2008.09777): random genomes for the whole space, and those
    that optimisers come to for the region where searches end. Offspring are of the best by all objectives and of
    the best by the first, in turn. One training in `EACH` repeats a genome with a fresh seed, from step 0: in turn the
    best and one drawn from all, and every founder; they tell what is noise.
    """

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._generator, self._last, self._weights = generator, len(space.rungs) - 1, space.weights
        self._random = RandomSearch(space, generator)
        first = dict(list(space.objectives.items())[:1])
        self._populations = [
            Population(space, generator),
            Population(space.model_copy(update={"objectives": first}), generator),
        ]
        self._waiting: list[Proposal] = []
        self._begun = 0
        self._founders: set[str] = set()
        self._finished: list[Individual] = []
        self._repeated: Counter[Genome] = Counter()
        self._repeating: set[Genome] = set()

    def ask(self) -> Proposal | None:
        if self._waiting:
            return self._waiting.pop(0)
        proposal = self._again() if self._begun % EACH == EACH - 1 else None
        proposal = proposal or (self._offspring() if self._begun % 2 else None) or self._random.ask()
        self._begun += proposal is not None
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            proposal, objectives = result.proposal, result.objectives
            if objectives is not None and proposal.rung < self._last:
                self._waiting.append(Proposal(proposal.genome, PROMOTION, rung=proposal.rung + 1, seed=proposal.seed))
            elif proposal.seed is not None:
                self._repeating.discard(proposal.genome)
            elif objectives is not None:
                self._learn(result, replace(result, objectives=objectives[:1]))

    def adopt(self, proposal: Proposal) -> Proposal:
        place = (proposal.genome, proposal.rung, proposal.seed)
        for waiting in self._waiting:
            if place == (waiting.genome, waiting.rung, waiting.seed):
                self._waiting.remove(waiting)
                return waiting
        self._begun += 1
        if proposal.seed is not None:
            return self._repeat(proposal.genome)
        if proposal.operator == FOUNDER:
            self._founders.add(proposal.genome.id)
        return self._random.adopt(proposal)

    def promotable(self) -> Set[str]:
        return {proposal.genome.id for proposal in self._waiting}

    def _learn(self, result: Result, by_first: Result) -> None:
        genome = result.proposal.genome
        self._finished.append(Individual(genome, Fitness(self._weights[:1], by_first.objectives or ()), 0))
        for population, news in zip(self._populations, (result, by_first), strict=True):
            population.add([news])
        if genome.id in self._founders:
            self._waiting.append(self._repeat(genome))

    def _offspring(self) -> Proposal | None:
        population = self._populations[self._begun // 2 % 2]
        return population.unseen(self._random.seen) if population.ready else None

    def _again(self) -> Proposal | None:
        # Two trainings of a genome at once would take each other's checkpoint.
        free = [one for one in self._finished if one.genome not in self._repeating]
        if not free:
            return None
        rarely = [one for one in free if self._repeated[one.genome] < REPEATS]
        if rarely and self._begun // EACH % 2:
            return self._repeat(best_first(rarely, 1)[0].genome)
        return self._repeat(free[int(self._generator.integers(len(free)))].genome)

    def _repeat(self, genome: Genome) -> Proposal:
        self._repeated[genome] += 1
        self._repeating.add(genome)
        return Proposal(genome, "repetition", seed=self._repeated[genome])
