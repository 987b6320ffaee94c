"""Random search, the baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hrfevo.algorithms.base import Proposal, Result, Seen
from hrfevo.space.genome import sample
from hrfevo.space.search_space import SearchSpace

# A space in which this many draws in a row bring nothing new has, as good as surely, been searched through.
ATTEMPTS = 2000


class RandomSearch:
    """Every genome uniform in the space, none twice."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self.seen = Seen()

    def ask(self) -> Proposal | None:
        genome = self.seen.first_new(lambda: sample(self._space, self._generator), ATTEMPTS)
        return Proposal(genome, "random") if genome else None

    def adopt(self, proposal: Proposal) -> Proposal:
        self.seen.add(proposal.genome)
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        """Random search learns nothing."""
