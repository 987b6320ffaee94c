"""An algorithm whose randomness begins anew with every proposal."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from hrfevo.algorithms.base import Algorithm, Proposal, Result


class Seeded:
    """Seeds the generator that an algorithm draws from by the number of each proposal.

    What it draws then depends on what was proposed before and not on how it came to be: an algorithm that was given its
    history draws as one that has made it. Questions that have no answer draw nothing that counts.
    """

    def __init__(self, inner: Algorithm, generator: np.random.Generator, seed: np.random.SeedSequence) -> None:
        self.inner, self._generator, self._seed = inner, generator, seed
        self._number = 0

    def ask(self) -> Proposal | None:
        own = np.random.SeedSequence(self._seed.entropy, spawn_key=(*self._seed.spawn_key, self._number))
        self._generator.bit_generator.state = np.random.PCG64(own).state
        proposal = self.inner.ask()
        self._number += proposal is not None
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        self.inner.tell(results)

    def adopt(self, proposal: Proposal) -> Proposal:
        self._number += 1
        return self.inner.adopt(proposal)

    def promotable(self) -> Set[str]:
        return self.inner.promotable()
