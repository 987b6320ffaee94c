"""The protocol of algorithms, and the memory of what was proposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Protocol

from hrfevo.genome import Genome
from hrfevo.records import Proposal, Result


class Proposer(Protocol):
    """Ask and tell, with no input or output of its own.

    The same seed and the same order of calls give the same proposals: a search is resumed by
    playing its recorded calls again.
    """

    def ask(self) -> Proposal | None:
        """What to try next, or None to wait for results (or for good, if nothing is running).

        A call that returns None changes nothing.
        """

    def tell(self, results: Sequence[Result]) -> None:
        """What became of proposals; several at once are one generation."""

    def adopt(self, genome: Genome) -> None:
        """A genome is being tried that was not proposed here: its results will be told, it is not to be proposed."""


class Algorithm(Proposer, Protocol):
    """A proposer that takes genomes from rung to rung."""

    def hopeful(self) -> Set[str]:
        """Ids of the genomes that may go on to the next rung soon: their trainings are worth keeping."""


class Seen:
    """Genomes that were proposed already; no algorithm proposes one twice."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def add(self, genome: Genome) -> bool:
        """Remember a genome; False if it was known."""
        known = genome.id in self._ids
        self._ids.add(genome.id)
        return not known

    def first_new(self, draw: Callable[[], Genome], attempts: int) -> Genome | None:
        """Draw until a genome is new, at most `attempts` times; remember it."""
        return next((genome for genome in (draw() for _ in range(attempts)) if self.add(genome)), None)


def inform(algorithm: Algorithm, results: Sequence[Result]) -> None:
    """Let an algorithm know, before it begins, what another search found; it proposes none of these genomes anew."""
    for genome in dict.fromkeys(result.proposal.genome for result in results):
        algorithm.adopt(genome)
    algorithm.tell(results)


class Founded:
    """An algorithm that is given some proposals to begin with, such as the front of an earlier search."""

    def __init__(self, inner: Algorithm, founders: Sequence[Proposal]) -> None:
        # Of a genome that is given twice the later says to which rung.
        self._inner, self._founders = inner, list({founder.genome: founder for founder in founders}.values())

    def ask(self) -> Proposal | None:
        if not self._founders:
            return self._inner.ask()
        founder = self._founders.pop(0)
        self._inner.adopt(founder.genome)
        return founder

    def tell(self, results: Sequence[Result]) -> None:
        self._inner.tell(results)

    def adopt(self, genome: Genome) -> None:
        self._inner.adopt(genome)

    def hopeful(self) -> Set[str]:
        return self._inner.hopeful()
