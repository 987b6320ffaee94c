"""Every genome of a finite space to every rung: what makes the table of a tabular benchmark."""

from __future__ import annotations

from collections.abc import Sequence, Set

from hrfevo.algorithms.base import PROMOTION, Proposal, Result
from hrfevo.space.genome import Genome, all_genomes
from hrfevo.space.search_space import SearchSpace


class Grid:
    """Each genome in turn, and once it has started, on to the last rung before a new one is begun."""

    def __init__(self, space: SearchSpace) -> None:
        self._genomes = all_genomes(space)
        self._last = len(space.rungs) - 1
        self._waiting: list[Proposal] = []
        self._started: dict[str, Genome] = {}
        self._begun: set[str] = set()

    def ask(self) -> Proposal | None:
        if self._waiting:
            return self._waiting.pop(0)
        genome = next((one for one in self._genomes if one.id not in self._begun), None)
        return None if genome is None else Proposal(genome, "grid")

    def tell(self, results: Sequence[Result]) -> None:
        for result in results:
            genome, rung = result.proposal.genome, result.proposal.rung
            self._started.pop(genome.id, None)
            if result.objectives is not None and rung < self._last:
                self._started[genome.id] = genome
                self._waiting.append(Proposal(genome, PROMOTION, rung=rung + 1))

    def adopt(self, proposal: Proposal) -> Proposal:
        self._begun.add(proposal.genome.id)
        self._waiting = [one for one in self._waiting if (one.genome, one.rung) != (proposal.genome, proposal.rung)]
        return proposal

    def promotable(self) -> Set[str]:
        return self._started.keys()
