"""What algorithms propose and hear, their protocol, and the memory of what was proposed."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from hrfevo.space.genome import Genome

# Words for where a proposal comes from that say more than how its genome was made.
FOUNDER, PROMOTION = "founder", "promotion"


@dataclass(frozen=True)
class Proposal:
    """A genome that an algorithm wants trained to a rung, and where it comes from.

    `seed` is that of the training where it is not the search's own; a `fresh` one begins at step 0 whatever is kept and
    known of the genome, and is not kept itself. One that `opens` is the first after a generation that could not be
    filled.
    """

    genome: Genome
    operator: str
    parents: tuple[str, ...] = ()
    rung: int = 0
    seed: int | None = None
    fresh: bool = False
    opens: bool = False


@dataclass(frozen=True)
class Result:
    """What an algorithm hears: a proposal, its objectives, or None if there are none, and how it keeps to the bounds.

    `margins` are those of `SearchSpace.margins`; `failure` is the kind of a failure, in a word or two, empty where the
    training ended well or was never begun for want of a bound. Objectives are the mean over as many `measurements`
    with different seeds. `earlier` is what another search found: its training is not kept here, so the next rung
    begins at the first step.
    """

    proposal: Proposal
    objectives: tuple[float, ...] | None
    margins: tuple[float, ...] = ()
    failure: str = ""
    measurements: int = 1
    earlier: bool = False


# The word for where a genome comes from that another search has measured.
KNOWN = "known"


class Proposer(Protocol):
    """Ask and tell, with no input or output of its own.

    What is proposed follows from the proposals and results so far, in their order, and from the generator, whoever made
    those proposals: a search is resumed by handing them out of its store to an algorithm that is new. Only `ask` draws
    from the generator. What takes long to learn is learned when somebody asks.
    """

    def ask(self) -> Proposal | None:
        """What to try next, or None to wait for results (or for good, if nothing is running).

        A call that returns None changes nothing.
        """

    def tell(self, results: Sequence[Result]) -> None:
        """What became of proposals; several at once are one generation."""

    def adopt(self, proposal: Proposal) -> Proposal:
        """A proposal is under way that was not asked for just now: its results will be told.

        It is a founder, one of another search, or one that this search made before it was interrupted. Returned is the
        proposal as it was made here, with what no store keeps of it.
        """


@runtime_checkable
class Algorithm(Proposer, Protocol):
    """A proposer that takes genomes from rung to rung."""

    def promotable(self) -> Set[str]:
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
        algorithm.adopt(Proposal(genome, KNOWN))
    algorithm.tell(results)


class Founded:
    """An algorithm that is given some proposals to begin with, such as the front of an earlier search."""

    def __init__(self, inner: Algorithm, founders: Sequence[Proposal]) -> None:
        # Of a genome that is given twice the later says to which rung.
        self._inner, self._founders = inner, list({founder.genome: founder for founder in founders}.values())

    def ask(self) -> Proposal | None:
        if not self._founders:
            return self._inner.ask()
        return self._inner.adopt(self._founders.pop(0))

    def tell(self, results: Sequence[Result]) -> None:
        self._inner.tell(results)

    def adopt(self, proposal: Proposal) -> Proposal:
        self._founders = [founder for founder in self._founders if founder.genome != proposal.genome]
        return self._inner.adopt(proposal)

    def promotable(self) -> Set[str]:
        return self._inner.promotable()
