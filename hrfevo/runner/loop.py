"""The loop: ask, submit, record, tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hrfevo.algorithms.base import PROMOTION, Algorithm, Proposal, Result
from hrfevo.algorithms.breeding.individual import Fitness, Individual
from hrfevo.runner.nearest import Nearest
from hrfevo.runner.standings import Standings
from hrfevo.space.budget import Spent, limit_in_words
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.store.spending import Ledger
from hrfevo.workers.base import INHERITED, Job, Outcome, Workers, counts
from hrfevo.workers.trainings import Trainings
from signal_model.support.errors import counted

# A search stops when so many evaluations, and a whole population, have ended and none has succeeded.
FAILURES_TO_STOP = 8
# It stops when none has kept to the bounds, which are out of reach, and so many in a row came no nearer to them.
FAR_TO_STOP = 500
# It stops when so many genomes in a row were infeasible: less than one in 400 can then be trained (99 % sure).
INFEASIBLE_TO_STOP = 2000
# Of the front, the first so many by the first objective keep their weights.
KEPT_WINNERS = 5


class Observer(Protocol):
    """Who is told what happens, such as a progress display."""

    def submitted(self, job: Job) -> None:
        """A job has been given to a worker."""

    def ended(self, outcome: Outcome, search: Search) -> None:
        """A job has ended and is in the store."""


class Journal(Protocol):
    """Who keeps what happens, before anybody acts on it: a store."""

    def submitted(self, run_id: str, job: Job, proposal: Proposal) -> None:
        """Keep a job before a worker gets it."""

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        """Keep what became of a job; `seconds` is how long the run has lasted."""


@dataclass
class Tally:
    """Counts of what became of evaluations."""

    finished: int = 0
    failed: int = 0
    infeasible: int = 0
    barren: int = 0
    """Genomes since the last that was trained; none of them could be."""

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        setattr(self, outcome.status, getattr(self, outcome.status) + 1)
        was_trained = counts(outcome.status, outcome.metrics)
        self.barren = 0 if was_trained else self.barren + 1


class NothingSucceeds(RuntimeError):
    """Nothing succeeds; going on would waste the budget."""


class Search:
    """One search over a space: the only place that knows algorithm, workers and store at once."""

    def __init__(
        self,
        run_id: str,
        space: SearchSpace,
        algorithm: Algorithm,
        workers: Workers,
        store: Journal,
        training_seed: int,
        checkpoints: Trainings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run_id, self.space, self.workers = run_id, space, workers
        self.standings = Standings(space.population)
        self.tally = Tally()
        self._nearest = Nearest(space)
        self._ledger = Ledger(space.rungs)
        self._planned: dict[int, int] = {}
        self._algorithm, self._store, self._clock = algorithm, store, clock
        self._training_seed, self._checkpoints = training_seed, checkpoints
        self._proposals: dict[int, Proposal] = {}
        self._waiting: list[Job] = []
        self._known: dict[tuple[str, int], dict[str, float]] = {}
        self._next_number = 0
        self._last_reason = ""
        self._seconds_before = self._worker_seconds_before = 0.0
        self._started = clock()

    @property
    def seconds(self) -> float:
        """How long the search has run, interruptions not counted."""
        return self._seconds_before + self._clock() - self._started

    @property
    def worker_use(self) -> float:
        """Share of the time of its workers that went into evaluations, since it began or went on."""
        total = (self.seconds - self._seconds_before) * self.workers.capacity
        return min(1.0, (self.spent.seconds - self._worker_seconds_before) / total) if total else 0.0

    @property
    def spent(self) -> Spent:
        """What evaluations that have ended have taken."""
        return self._ledger.spent

    @property
    def shares(self) -> dict[str, float]:
        """What is used up of each limit of the budget; 1 for all of it."""
        return self.space.budget.shares(self.spent, self.seconds, self.space.rungs[-1])

    def replay(self, evaluations: list[Evaluation], seconds: float) -> None:
        """Bring the algorithm to where the store says it was: it is told what was proposed and what became of it.

        Evaluations that were in flight wait to be run again.
        """
        self._seconds_before = seconds
        calls = [(evaluation.submitted_event, evaluation, True) for evaluation in evaluations]
        calls += [(e.ended_event, e, False) for e in evaluations if e.ended_event is not None]
        genomes: dict[str, Genome] = {}
        jobs: dict[int, Job] = {}
        last = -1
        for event, evaluation, is_submission in sorted(calls, key=lambda call: call[0]):
            if is_submission:
                again = evaluation.genome in genomes
                genome = genomes.setdefault(evaluation.genome, Genome.stored(evaluation.values, evaluation.genome))
                proposal = self._algorithm.adopt(
                    Proposal(
                        genome,
                        PROMOTION if again else evaluation.operator,
                        () if again else evaluation.parents,
                        evaluation.rung,
                        None if evaluation.seed == self._training_seed else evaluation.seed,
                        opens=event > last + 1,
                    )
                )
                jobs[evaluation.number] = self._job(evaluation.number, proposal, evaluation.seed)
                self._proposals[evaluation.number] = proposal
            else:
                self._learn(_outcome(jobs.pop(evaluation.number), evaluation))
            last = event
        self._worker_seconds_before = self.spent.seconds
        self._waiting = list(jobs.values())
        self._next_number = len(evaluations)

    def run(self, observer: Observer, check: Callable[[], None] = lambda: None) -> str:
        """Search until the budget is spent or the space is; returns which, in words: of a budget, the limit
        that ended it.

        `check` is called after each evaluation and may raise, to end the search there. Raises NothingSucceeds when
        nothing succeeds.
        """
        while True:
            while self._may_submit() and (job := self._next_job()):
                self._planned[job.number] = self._ledger.planned(job.genome.id, job.seed, job.rung)
                self.workers.submit(job)
                observer.submitted(job)
            # Without any worker left, as when a cluster has lost all its nodes, it waits for one to come.
            is_done = self._is_spent() and not self._waiting
            if not self.workers.running and (self.workers.capacity or is_done):
                break
            outcome = self.workers.next_outcome()
            if outcome is None:
                check()
                continue
            self._store.record(self.run_id, outcome, self.seconds)
            self._learn(outcome)
            self._prune_trainings()
            observer.ended(outcome, self)
            self._stop_if_nothing_succeeds(outcome)
            check()
        if self.tally.failed and not self.tally.finished:
            failed = self.tally.failed
            told = "its one evaluation failed" if failed == 1 else f"all {failed} evaluations failed, the last"
            raise NothingSucceeds(f"{told} with: {self._last_reason}")
        if self.tally.infeasible and not self.tally.finished:
            raise NothingSucceeds(self._infeasible_in_words)
        if self._is_barren:
            return (
                f"the last {counted(self.tally.barren, 'genome')} were infeasible, the last with: {self._last_reason}"
            )
        if not self._is_spent():
            return "no new genome left in the space"
        spent = [limit_in_words(n, self.space.budget.limits[n]) for n, share in self.shares.items() if share >= 1]
        return f"budget spent: {' and '.join(spent)}"

    @property
    def _is_barren(self) -> bool:
        return self.tally.barren >= INFEASIBLE_TO_STOP

    @property
    def _is_far(self) -> bool:
        return not self.tally.finished and self._nearest.since >= FAR_TO_STOP and self._nearest.out_of_reach

    def _may_submit(self) -> bool:
        """Whether a job may begin. What was in flight when a search was cut off would have ended, whatever is spent."""
        if self.workers.running >= self.workers.capacity:
            return False
        return bool(self._waiting) or not (self._is_barren or self._is_far or self._will_be_spent())

    def _is_spent(self) -> bool:
        return max(self.shares.values()) >= 1

    def _will_be_spent(self) -> bool:
        """Whether it is when all that is in flight has ended as planned."""
        expected = self._ledger.expected(sum(self._planned.values()), self.workers.running)
        return max(self.space.budget.shares(expected, self.seconds, self.space.rungs[-1]).values()) >= 1

    def _next_job(self) -> Job | None:
        if self._waiting:
            return self._waiting.pop(0)
        proposal = self._algorithm.ask()
        if proposal is None:
            return None
        job = self._job(self._next_number, proposal, self._training_seed if proposal.seed is None else proposal.seed)
        self._next_number += 1
        self._proposals[job.number] = proposal
        self._store.submitted(self.run_id, job, proposal)
        return job

    def _job(self, number: int, proposal: Proposal, seed: int) -> Job:
        genome = proposal.genome.id
        if proposal.fresh:
            return Job(number, proposal.genome, proposal.rung, seed)
        kept = parent = None
        if self._checkpoints:
            kept = self._checkpoints.of(genome)
            if self.space.inherit and proposal.parents:
                parent = self._checkpoints.of(proposal.parents[0])
        return Job(number, proposal.genome, proposal.rung, seed, kept, parent, self._known.get((genome, seed), {}))

    def _learn(self, outcome: Outcome) -> None:
        proposal = self._proposals.pop(outcome.job.number)
        objectives = None
        if outcome.status == "finished":
            objectives = tuple(outcome.metrics[name] for name in self.space.objectives)
            fitness = Fitness(self.space.weights, objectives)
            self.standings.add(Individual(proposal.genome, fitness, proposal.rung))
        else:
            self.standings.ended(proposal.genome)
        job, same_at_every_rung = outcome.job, {*self.space.probes, INHERITED} & outcome.metrics.keys()
        if same_at_every_rung:
            self._known[job.genome.id, job.seed] = {name: outcome.metrics[name] for name in same_at_every_rung}
        self.tally.add(outcome)
        if outcome.status == "infeasible":
            self._nearest.add(outcome)
        self._planned.pop(job.number, None)
        seconds = outcome.ended - outcome.started
        self._ledger.add(job.genome.id, job.seed, job.rung, outcome.status, outcome.metrics, seconds)
        self._last_reason = outcome.reason
        failure = outcome.reason.partition(":")[0] if outcome.status == "failed" else ""
        self._algorithm.tell([Result(proposal, objectives, self.space.margins(outcome.metrics), failure)])

    def _prune_trainings(self) -> None:
        if self._checkpoints and self.tally.finished % self.space.population == 0:
            running = {proposal.genome.id for proposal in self._proposals.values()}
            needed = (
                self._algorithm.promotable() | running | {one.genome.id for one in self.standings.front[:KEPT_WINNERS]}
            )
            if self.space.inherit:
                parents = {parent for proposal in self._proposals.values() for parent in proposal.parents}
                needed |= parents | {individual.genome.id for individual in self.standings.leaders}
            self._checkpoints.keep_only(needed)

    def _stop_if_nothing_succeeds(self, outcome: Outcome) -> None:
        if self.tally.finished:
            return
        if self.tally.failed >= max(FAILURES_TO_STOP, self.space.population):
            raise NothingSucceeds(
                f"all of the first {self.tally.failed} evaluations failed, the last with: {outcome.reason}"
            )
        if self._is_far or self.tally.infeasible >= INFEASIBLE_TO_STOP:
            raise NothingSucceeds(self._infeasible_in_words)

    @property
    def _infeasible_in_words(self) -> str:
        """Of a search of which no genome is feasible."""
        count = self.tally.infeasible
        return self._nearest.words(count) or f"none of {counted(count, 'genome')} is feasible: {self._last_reason}"


def _outcome(job: Job, evaluation: Evaluation) -> Outcome:
    assert evaluation.status != "running"
    return Outcome(
        job,
        evaluation.status,
        evaluation.metrics,
        evaluation.reason,
        started=evaluation.started or 0.0,
        ended=evaluation.ended or 0.0,
    )
