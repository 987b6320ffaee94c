"""One search over a table: the ordinary loop and algorithm, simulated workers, virtual time."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from hrfevo.algorithms import Algorithm
from hrfevo.benchmark.table import Table
from hrfevo.genome import Genome
from hrfevo.records import Job, Outcome, Proposal, Result
from hrfevo.search import Search
from hrfevo.space import Budget
from hrfevo.workers.simulated import SimulatedWorkers


@dataclass
class Trace:
    """What happened, evaluation by evaluation in the order of their ends.

    `spent` counts the seconds of training that had ended by then, over all workers.
    """

    genomes: list[str] = field(default_factory=list)
    rungs: list[int] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    objectives: list[tuple[float, ...] | None] = field(default_factory=list)
    proposals: int = 0
    proposal_seconds: float = 0.0
    """Real time that the algorithm took, to be asked and told."""
    workers_used: float = 1.0
    """Share of the workers' virtual time, until the budget was spent, in which they trained."""


def simulate(
    table: Table, algorithm: Algorithm, *, workers: int, seconds: float, spread: float = 0.0, seed: int = 0
) -> Trace:
    """Search `table` until `seconds` of training, over all workers, are spent.

    `spread` makes times random: each is multiplied by a log-normal number of that σ, drawn from `seed`.
    """
    lasting = seconds / workers
    space = table.space.model_copy(update={"budget": Budget(minutes=lasting / 60)})
    generator = np.random.default_rng(seed)

    def evaluate(job: Job) -> Outcome:
        station = table.at(job.genome, job.rung)
        took = station.seconds * float(np.exp(spread * generator.standard_normal())) if spread else station.seconds
        return Outcome(job, station.status, dict(station.metrics), station.reason, ended=took)

    timed = Timed(algorithm)
    simulated = SimulatedWorkers(evaluate, workers)
    journal = _Journal(tuple(space.objectives))
    search = Search("simulation", space, timed, simulated, journal, training_seed=0, clock=simulated.clock)
    search.run(journal)
    trace = journal.trace
    trace.proposals, trace.proposal_seconds = timed.proposals, timed.seconds
    trace.workers_used = min(1.0, journal.busy_until(lasting) / (workers * lasting))
    return trace


class _Journal:
    """Store and observer in one; keeps what a comparison needs."""

    def __init__(self, objectives: Sequence[str]) -> None:
        self.trace = Trace()
        self._objectives = objectives
        self._spent = 0.0
        self._spans: list[tuple[float, float]] = []

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        self._spent += outcome.ended - outcome.started
        self._spans.append((outcome.started, outcome.ended))
        trace, finished = self.trace, outcome.status == "finished"
        trace.genomes.append(outcome.job.genome.id)
        trace.rungs.append(outcome.job.rung)
        trace.ended.append(outcome.ended)
        trace.spent.append(self._spent)
        trace.objectives.append(tuple(outcome.metrics[name] for name in self._objectives) if finished else None)
        return True

    def busy_until(self, end: float) -> float:
        return sum(max(0.0, min(ended, end) - started) for started, ended in self._spans)

    def submitted(self, *_: object) -> None:
        """Only ends are of interest."""

    def ended(self, outcome: Outcome, search: Search) -> None:
        """`record` has kept it."""


class Timed:
    """An algorithm and the real time it takes."""

    def __init__(self, algorithm: Algorithm) -> None:
        self._algorithm = algorithm
        self.proposals, self.seconds = 0, 0.0

    def ask(self) -> Proposal | None:
        began = time.perf_counter()
        proposal = self._algorithm.ask()
        self.seconds += time.perf_counter() - began
        self.proposals += proposal is not None
        return proposal

    def tell(self, results: Sequence[Result]) -> None:
        began = time.perf_counter()
        self._algorithm.tell(results)
        self.seconds += time.perf_counter() - began

    def adopt(self, genome: Genome) -> None:
        self._algorithm.adopt(genome)

    def hopeful(self) -> Set[str]:
        return self._algorithm.hopeful()
