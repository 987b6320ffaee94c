"""An algorithm that is given some proposals to begin with."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set

from hrfevo.algorithms.base import PROMOTION, Algorithm, Proposal, Result
from hrfevo.space.genome import Genome


class Founded:
    """Begins with founders, such as what one would write by hand, or the front of an earlier search.

    Those in `compared` are taken on to the last rung however they fare below it, before anything new is tried: a search
    cannot say that it found something better than what it has not trained as far.
    """

    def __init__(self, inner: Algorithm, founders: Sequence[Proposal], compared: Collection[Genome], last: int) -> None:
        # Of a genome that is given twice the later says to which rung.
        self._inner, self._founders = inner, list({founder.genome: founder for founder in founders}.values())
        self._compared, self._last = set(compared), last
        self._due: list[Proposal] = []

    def ask(self) -> Proposal | None:
        for proposals in (self._due, self._founders):
            if proposals:
                return self._inner.adopt(proposals.pop(0))
        return self._inner.ask()

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            genome, rung = result.proposal.genome, result.proposal.rung
            if genome in self._compared and result.objectives is not None and rung < self._last:
                self._due.append(Proposal(genome, PROMOTION, rung=rung + 1))
        self._inner.tell(results)

    def adopt(self, proposal: Proposal) -> Proposal:
        self._founders = [founder for founder in self._founders if founder.genome != proposal.genome]
        self._due = [due for due in self._due if due.genome != proposal.genome]
        return self._inner.adopt(proposal)

    def promotable(self) -> Set[str]:
        return self._inner.promotable() | {due.genome.id for due in self._due}
