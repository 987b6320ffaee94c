"""Exact generations on top of any algorithm."""

from __future__ import annotations

from collections.abc import Sequence, Set

from hrfevo.algorithms.base import Algorithm
from hrfevo.genome import Genome
from hrfevo.records import Proposal, Result


class Generations:
    """Ask for a whole generation, wait for all of it, tell it at once and in the order it was asked.

    What is proposed then depends on results only, never on which worker was faster.
    """

    def __init__(self, inner: Algorithm, size: int) -> None:
        self._inner, self._size = inner, size
        self._asked: list[Proposal] = []
        self._results: dict[Proposal, Result] = {}
        self._closed = False

    def ask(self) -> Proposal | None:
        if self._closed or len(self._asked) == self._size:
            return None
        proposal = self._inner.ask()
        if proposal is None:
            # Nothing more to ask for until the inner algorithm hears of what it asked.
            self._closed = bool(self._asked)
            return None
        self._asked.append(proposal)
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            self._results[result.proposal] = result
        complete = self._closed or len(self._asked) == self._size
        if complete and len(self._results) == len(self._asked):
            generation = [self._results[proposal] for proposal in self._asked]
            self._asked, self._results, self._closed = [], {}, False
            self._inner.tell(generation)

    def adopt(self, genome: Genome) -> None:
        self._inner.adopt(genome)

    def hopeful(self) -> Set[str]:
        return self._inner.hopeful()
