"""Leaders measured again with fresh seeds, on top of any algorithm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace

import numpy as np

from hrfevo.algorithms.base import Algorithm, Proposal, Result
from hrfevo.algorithms.seeds import Scores
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace

# The word for where such an evaluation comes from.
REPLICATE = "replicate"
# Trainings of a genome to the last rung, its first among them.
MAX_SEEDS = 4


class Replicates:
    """Gives a share of all training steps to genomes that lead, trained again from step 0 to the last rung.

    Whose turn it is: the genome that would add most to the front if its mean were as good as its doubt allows, and the
    means of the others as bad (a race of optimistic bounds, Lai & Robbins 1985). The algorithm hears the mean over
    seeds, and of how many. A replicate that fails is told as the failure it is. Step by step of a search as much is
    given as the share allows, whatever the budget is, so that a search that is resumed with a larger one is the same.
    """

    def __init__(self, inner: Algorithm, space: SearchSpace, seeds: np.random.SeedSequence) -> None:
        self._inner, self._share = inner, space.replicates
        self._rungs, self._signs = space.rungs, -np.array(space.weights)
        # The same for all genomes: what a seed does to all of them alike does not decide who is better.
        self._seeds = [int(seed) for seed in seeds.generate_state(MAX_SEEDS - 1)]
        self._genomes: dict[str, Genome] = {}
        self._measured: dict[str, list[np.ndarray]] = {}
        self._begun: Counter[str] = Counter()
        self._trained: dict[str, int] = {}
        self._steps = self._replicated = 0

    def ask(self) -> Proposal | None:
        return self._replicate() or self._inner.ask()

    def tell(self, results: Sequence[Result]) -> None:
        self._inner.tell([self._heard(result) for result in results])

    def adopt(self, proposal: Proposal) -> Proposal:
        if proposal.seed is None or proposal.seed not in self._seeds:
            return self._inner.adopt(proposal)
        return self._begin(proposal.genome, proposal.seed)

    def promotable(self) -> Set[str]:
        return self._inner.promotable()

    def _replicate(self) -> Proposal | None:
        if self._replicated + self._rungs[-1] > self._share * (self._steps + self._rungs[-1]):
            return None
        leader = self._in_doubt()
        return None if leader is None else self._begin(self._genomes[leader], self._seeds[self._begun[leader]])

    def _begin(self, genome: Genome, seed: int) -> Proposal:
        self._begun[genome.id] += 1
        self._replicated += self._rungs[-1]
        return Proposal(genome, REPLICATE, rung=len(self._rungs) - 1, seed=seed, fresh=True)

    def _in_doubt(self) -> str | None:
        """The genome to measure again; None if there is none."""
        ids = [*self._measured]
        if not ids:
            return None
        scores = Scores.of([np.array(self._measured[genome]) for genome in ids])
        gains = scores.at_stake()
        free = [i for i, genome in enumerate(ids) if self._begun[genome] < len(self._seeds) and gains[i] > 0]
        return ids[max(free, key=lambda i: gains[i])] if free else None

    def _heard(self, result: Result) -> Result:
        proposal = result.proposal
        if result.objectives is not None or result.failure:
            steps, genome_id = self._rungs[proposal.rung], proposal.genome.id
            self._steps += steps - (0 if proposal.fresh else self._trained.get(genome_id, 0))
            if not proposal.fresh:
                self._trained[genome_id] = steps
        if result.objectives is None or proposal.rung < len(self._rungs) - 1:
            return result
        genome = proposal.genome
        self._genomes[genome.id] = genome
        own = self._measured.setdefault(genome.id, [])
        own.append(self._signs * result.objectives)
        mean = self._signs * np.mean(own, axis=0)
        return replace(result, objectives=tuple(mean.tolist()), measurements=len(own))
