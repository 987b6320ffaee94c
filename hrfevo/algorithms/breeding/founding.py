"""What algorithms that breed have in common: random founders, then offspring, none twice."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from hrfevo.algorithms.base import Proposal
from hrfevo.algorithms.random import RandomSearch
from hrfevo.space.search_space import SearchSpace

# Offspring that are known already before a random genome is taken instead.
MUTATION_ATTEMPTS = 50


class Breeding(ABC):
    """The first μ genomes are random; after that offspring, or a random genome where no offspring is new."""

    def __init__(self, space: SearchSpace, generator: np.random.Generator) -> None:
        self._space, self._generator = space, generator
        self._random = RandomSearch(space, generator)
        self._asked = 0

    @property
    @abstractmethod
    def _ready(self) -> bool:
        """Whether there are enough parents."""

    @abstractmethod
    def _offspring(self) -> Proposal | None:
        """A child that is not in `self._random.seen`, noted there; None if there is none after `MUTATION_ATTEMPTS`."""

    def ask(self) -> Proposal | None:
        founding = self._asked < self._space.population or not self._ready
        proposal = (None if founding else self._offspring()) or self._random.ask()
        self._asked += proposal is not None
        return proposal

    def adopt(self, proposal: Proposal) -> Proposal:
        self._asked += 1
        return self._random.adopt(proposal)
