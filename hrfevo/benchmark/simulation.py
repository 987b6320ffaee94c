"""One search over a benchmark: the ordinary loop and algorithm, simulated workers, virtual time."""

from __future__ import annotations

import time
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from hrfevo.algorithms.base import Algorithm, Proposal, Result
from hrfevo.benchmark.base import Benchmark, Station
from hrfevo.runner.loop import Search
from hrfevo.space.budget import Budget
from hrfevo.workers.base import Job, Outcome
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
    """At each end, what the genome is worth on average over seeds; None for a failure."""
    measured: list[tuple[float, ...] | None] = field(default_factory=list)
    """What the search was told instead."""
    promotions: int = 0
    """Evaluations that went on from a lower rung."""
    lost: int = 0
    """Those of them whose training had been dropped, so that they began at step 0."""
    proposals: int = 0
    proposal_seconds: float = 0.0
    """Real time that the algorithm took, to be asked and told."""
    workers_used: float = 1.0
    """Share of the workers' virtual time, until the budget was spent, in which they trained."""


def simulate(
    benchmark: Benchmark, algorithm: Algorithm, *, workers: int, seconds: float, spread: float = 0.0, seed: int = 0
) -> Trace:
    """Search `benchmark` until `seconds` of training, over all workers, are spent.

    `spread` makes times random: each is multiplied by a log-normal number of that σ, drawn from `seed`, which is
    also the seed of all trainings. A promotion whose training was dropped is charged from step 0.
    """
    lasting = seconds / workers
    space = benchmark.space.model_copy(update={"budget": Budget(minutes=lasting / 60)})
    journal = _Journal(tuple(space.objectives))
    evaluator = _Evaluator(benchmark, journal, spread, np.random.default_rng(seed))
    timed = Timed(algorithm)
    simulated = SimulatedWorkers(evaluator, workers)
    search = Search(
        "simulation",
        space,
        timed,
        simulated,
        journal,
        training_seed=seed,
        checkpoints=evaluator.kept,
        clock=simulated.clock,
    )
    search.run(journal)
    trace = journal.trace
    trace.proposals, trace.proposal_seconds = timed.proposals, timed.seconds
    trace.workers_used = min(1.0, journal.busy_until(lasting) / (workers * lasting))
    return trace


class KeptTrainings:
    """Trainings that are said to be kept, each at the rung and with the seed that it has come to."""

    def __init__(self) -> None:
        self._reached: dict[str, tuple[int, int]] = {}
        self._begun = set[tuple[str, int]]()

    def of(self, genome: str) -> str:
        return genome

    def keep_only(self, genomes: Set[str]) -> None:
        for genome in self._reached.keys() - genomes:
            del self._reached[genome]

    def reach(self, job: Job) -> None:
        """Keep a training where its job ends."""
        self._reached[job.genome.id] = job.rung, job.seed
        self._begun.add((job.genome.id, job.seed))

    def goes_on(self, job: Job) -> bool:
        """Whether a training of this genome with this seed has ended at a lower rung, kept or not."""
        return (job.genome.id, job.seed) in self._begun

    def hold(self, job: Job) -> bool:
        """Whether the training that a job goes on with is there."""
        return self._reached.get(job.genome.id) == (job.rung - 1, job.seed)


class _Evaluator:
    """What a benchmark knows, as outcomes of jobs."""

    def __init__(self, benchmark: Benchmark, journal: _Journal, spread: float, generator: np.random.Generator) -> None:
        self._benchmark, self._journal = benchmark, journal
        self._spread, self._generator = spread, generator
        self.kept = KeptTrainings()

    def __call__(self, job: Job) -> Outcome:
        station = self._benchmark.at(job.genome, job.rung, job.seed)
        fresh = job.checkpoint is None
        promoted = not fresh and self.kept.goes_on(job)
        lost = promoted and not self.kept.hold(job)
        took = station.seconds if promoted and not lost else self._from_start(job, station)
        if self._spread:
            took *= float(np.exp(self._spread * self._generator.standard_normal()))
        if station.status == "finished" and not fresh:
            self.kept.reach(job)
        self._journal.expect(job, station, promoted, lost)
        return Outcome(job, station.status, dict(station.metrics), station.reason, ended=took)

    def _from_start(self, job: Job, station: Station) -> float:
        if station.from_start is not None:
            return station.from_start
        return sum(self._benchmark.at(job.genome, rung, job.seed).seconds for rung in range(job.rung + 1))


class _Journal:
    """Store and observer in one; keeps what a comparison needs."""

    def __init__(self, objectives: Sequence[str]) -> None:
        self.trace = Trace()
        self._objectives = objectives
        self._spent = 0.0
        self._spans: list[tuple[float, float]] = []
        self._worth: dict[int, tuple[float, ...] | None] = {}

    def expect(self, job: Job, station: Station, promoted: bool, lost: bool) -> None:
        """Note what a job will have been worth, whether it goes on, and whether its training had been lost."""
        truth = station.metrics if station.truth is None else station.truth
        finished = station.status == "finished"
        self._worth[job.number] = tuple(truth[name] for name in self._objectives) if finished else None
        self.trace.promotions += promoted
        self.trace.lost += lost

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        self._spent += outcome.ended - outcome.started
        self._spans.append((outcome.started, outcome.ended))
        trace = self.trace
        trace.genomes.append(outcome.job.genome.id)
        trace.rungs.append(outcome.job.rung)
        trace.ended.append(outcome.ended)
        trace.spent.append(self._spent)
        trace.objectives.append(self._worth.pop(outcome.job.number))
        finished = outcome.status == "finished"
        trace.measured.append(tuple(outcome.metrics[name] for name in self._objectives) if finished else None)
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

    def adopt(self, proposal: Proposal) -> Proposal:
        return self._algorithm.adopt(proposal)

    def promotable(self) -> Set[str]:
        return self._algorithm.promotable()
