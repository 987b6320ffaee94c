"""Promotion from rung to rung, on top of any algorithm."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from hrfevo.algorithms.base import PROMOTION, Proposal, Proposer, Result
from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first
from hrfevo.space.search_space import SearchSpace

# Thousands of genomes are not ranked again for every one more: up to 500 always, of 100,000 after each 200.
FRESH = 500


class SuccessiveHalving:
    """Asynchronous successive halving (Li et al. 2020) by non-dominated rank and crowding.

    Whoever is among the best `promote` share of a rung, and has not gone on, goes on to the next before anything new
    is asked for; no rung waits to be full. Where scores improve, more than that share goes on in the end.
    """

    def __init__(self, inner: Proposer, space: SearchSpace) -> None:
        self._inner, self._share, self._weights = inner, space.promote, space.weights
        self._rungs: list[list[Individual]] = [[] for _ in space.rungs]
        self._promoted: list[set[str]] = [set() for _ in space.rungs]
        self._ranked: list[tuple[int, list[Individual]]] = [(0, []) for _ in space.rungs]
        # So many of a rung are ranked; which numbers these are does not depend on when somebody asks.
        self._settled = [0 for _ in space.rungs]

    def ask(self) -> Proposal | None:
        for rung in range(len(self._rungs) - 2, -1, -1):
            peers, promoted = self._rungs[rung], self._promoted[rung]
            allowed = int(len(peers) * self._share)
            for individual in self._best(rung)[:allowed]:
                if individual.genome.id not in promoted:
                    promoted.add(individual.genome.id)
                    return Proposal(individual.genome, PROMOTION, rung=rung + 1)
        return self._inner.ask()

    def _best(self, rung: int) -> list[Individual]:
        """The best of a rung, the first first, and some more than may go on; of many, as they stood a while ago."""
        peers, (known, best), settled = self._rungs[rung], self._ranked[rung], self._settled[rung]
        if known != settled:
            best = best_first(peers[:settled], min(settled, int(_next(settled) * self._share)))
            self._ranked[rung] = settled, best
        return best

    def adopt(self, proposal: Proposal) -> Proposal:
        if proposal.operator != PROMOTION:
            return self._inner.adopt(proposal)
        self._promoted[proposal.rung - 1].add(proposal.genome.id)
        return proposal

    def promotable(self) -> Set[str]:
        """Those that would be promoted if as many again had come to their rung, and none of them better."""
        found: set[str] = set()
        for peers, promoted in zip(self._rungs[:-1], self._promoted, strict=False):
            among = best_first(peers, min(len(peers), math.ceil(2 * len(peers) * self._share)))
            found |= {individual.genome.id for individual in among} - promoted
        return found

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            for lower in self._promoted[: result.proposal.rung]:
                lower.add(result.proposal.genome.id)  # also where another search has taken it there
            if result.objectives is not None and result.measurements == 1:
                fitness = Fitness(self._weights, result.objectives)
                rung = result.proposal.rung
                self._rungs[rung].append(Individual(result.proposal.genome, fitness, rung))
                if len(self._rungs[rung]) == _next(self._settled[rung]):
                    self._settled[rung] = len(self._rungs[rung])
        self._inner.tell(results)


def _next(settled: int) -> int:
    """How many there are when they are ranked again."""
    return settled + max(1, settled // FRESH)
