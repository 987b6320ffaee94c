"""Exact generations on top of any algorithm."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from hrfevo.algorithms.base import Algorithm, Proposal, Result


class Generations:
    """Ask for a whole generation, wait for all of it, tell it at once and in the order it was asked.

    What is proposed then depends on results only, never on which worker was faster. A generation also ends where there
    is nothing more to ask for before its results are told; the first proposal of the next says so.
    """

    def __init__(self, inner: Algorithm, size: int) -> None:
        self._inner, self._size = inner, size
        self._asked: list[Proposal] = []
        self._results: dict[Proposal, Result] = {}
        self._opens = False

    def ask(self) -> Proposal | None:
        if len(self._asked) == self._size:
            return None
        proposal = self._inner.ask()
        if proposal is None and self._asked and len(self._results) == len(self._asked):
            self._end()
            self._opens = True
            proposal = self._inner.ask()
        return None if proposal is None else self._begun(replace(proposal, opens=self._opens))

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            self._results[result.proposal] = result
        if len(self._results) == self._size:
            self._end()

    def adopt(self, proposal: Proposal) -> Proposal:
        if proposal.opens and len(self._results) == len(self._asked):
            self._end()
        return self._begun(self._inner.adopt(proposal))

    def _begun(self, proposal: Proposal) -> Proposal:
        self._asked.append(proposal)
        self._opens = False
        return proposal

    def _end(self) -> None:
        generation = [self._results[proposal] for proposal in self._asked]
        self._asked, self._results = [], {}
        self._inner.tell(generation)

    def promotable(self) -> Set[str]:
        return self._inner.promotable()
