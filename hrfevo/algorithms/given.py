"""Given genomes with given seeds, and nothing else: confirmation."""

from __future__ import annotations

from collections.abc import Sequence, Set

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.space.genome import Genome


class FixedList:
    """Every genome with every seed, at the only rung; seed by seed, so that a part of the list is a fair part."""

    def __init__(self, genomes: Sequence[Genome], seeds: Sequence[int]) -> None:
        self._waiting = [Proposal(genome, "confirmation", seed=seed) for seed in seeds for genome in genomes]

    def ask(self) -> Proposal | None:
        return self._waiting.pop(0) if self._waiting else None

    def tell(self, results: Sequence[Result]) -> None:
        """Nothing depends on results."""

    def adopt(self, proposal: Proposal) -> Proposal:
        own = (one for one in self._waiting if (one.genome, one.seed) == (proposal.genome, proposal.seed))
        if (found := next(own, None)) is not None:
            self._waiting.remove(found)
        return proposal

    def promotable(self) -> Set[str]:
        return set()
