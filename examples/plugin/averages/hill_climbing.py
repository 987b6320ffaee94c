"""An algorithm: change the best genome so far, and keep what is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hrfevo import algorithm

if TYPE_CHECKING:
    import numpy as np

    from hrfevo.algorithms.base import Proposal, Result
    from hrfevo.space.search_space import SearchSpace


@algorithm("hill_climbing")
class HillClimbing:
    """A mutation of the genome that is best in the first objective; random genomes until there is one."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        from hrfevo.algorithms.base import Seen
        from hrfevo.algorithms.breeding.variation import Variation
        from hrfevo.space.genome import sample

        variation = Variation(space, generator)
        self._draw, self._mutate = lambda: sample(space, generator), variation.mutate
        self._seen, self._sign = Seen(), space.weights[0]
        self._best: tuple[float, Proposal] | None = None

    def ask(self) -> Proposal | None:
        """The next genome, new to this search; None where many draws bring none."""
        from hrfevo.algorithms.base import Proposal

        if self._best is None:
            genome = self._seen.first_new(self._draw, 1000)
            return Proposal(genome, "random") if genome else None
        parent = self._best[1].genome
        genome = self._seen.first_new(lambda: self._mutate(parent), 1000)
        return Proposal(genome, "mutation", (parent.id,)) if genome else None

    def adopt(self, proposal: Proposal) -> Proposal:
        """One that was made before this search was interrupted."""
        self._seen.add(proposal.genome)
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        """Remember the best; results of the first rung and of the last are compared alike, as a climber would."""
        for result in results:
            if result.objectives is not None:
                score = self._sign * result.objectives[0]
                if self._best is None or score > self._best[0]:
                    self._best = (score, result.proposal)
