"""How a run is doing: running, stopped, crashed, failed or finished, how far, and what is in flight."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hrfevo.results.agreement import Agreement, agreements
from hrfevo.results.confirmation.confirmed import cost_of_confirmation
from hrfevo.results.cost import Cost
from hrfevo.results.forecast import Forecast, forecast
from hrfevo.results.history import History
from hrfevo.results.range_ends import RangeEnd, range_ends
from hrfevo.results.worth import worth
from hrfevo.store.records import Evaluation, State
from hrfevo.store.run_folder import RunFolder
from hrfevo.store.store import Store
from signal_model.support.errors import one_line
from signal_model.support.plugins import command


@dataclass(frozen=True)
class InFlight:
    """An evaluation without a result; `seconds` since it was handed out."""

    number: int
    genome: str
    steps: int
    seconds: float


@dataclass(frozen=True)
class Status:
    """A run at one moment. Times are in seconds."""

    run: str
    state: State
    reason: str
    finished: int
    failed: int
    infeasible: int
    corpus: str
    """In words, with its size."""
    budget: str
    """In words."""
    budget_evaluations: int | None
    budget_trainings: float | None
    budget_minutes: float | None
    budget_training_minutes: float | None
    steps: int
    """Trained in all evaluations, those that failed too."""
    trainings: float
    """The same in full trainings: by the steps of one genome to the last rung."""
    training_seconds: float
    """Of training alone, undisturbed, summed over workers."""
    worker_seconds: float
    """That workers spent on all evaluations that have ended."""
    cost: Cost
    """Of its evaluations that have ended."""
    confirmation_cost: Cost
    """Of its confirmations, which is not in `cost`."""
    seconds: float
    """That it has searched, interruptions not counted."""
    silent: float | None
    """Since the last result; None before the first."""
    objective: str
    best: float | None
    genome: str | None
    best_steps: int | None
    """Training steps of the rung that the best is of, which may be lower than the last."""
    best_seeds: int | None
    """Of how many seeds the best score is the mean."""
    last_steps: int
    failures: dict[str, int]
    """How often each reason was given, the most frequent first."""
    in_flight: tuple[InFlight, ...]
    agreements: tuple[Agreement, ...]
    """Of the order at each rung with that at the last."""
    forecast: Forecast | None
    """What as much training again may gain; None where too little is known."""
    range_ends: tuple[RangeEnd, ...] = ()
    """Genes whose range ends where the best are."""
    paused: str = ""
    """Why it waits, where it is running and does."""
    worth: str = ""
    """What the lowest loss is worth beside what needs no model; empty where nothing is known."""

    @property
    def advice(self) -> str:
        """The command that goes on with it; empty where there is nothing to go on with."""
        return command("hrfevo", "resume", self.run) if self.state in ("stopped", "crashed") else ""


# So many genomes that failed alike are named.
NAMED = 3
# What was measured, in a reason such as "parameters 61,234 above 50,000".
_BROKEN = re.compile(r" \S+( (?:above|below) \S+)$")


def failures_in_words(evaluations: Sequence[Evaluation]) -> list[str]:
    """A line for each reason of failures, the most frequent first, with the genomes that met it; then of bounds."""
    by_reason: dict[str, list[str]] = {}
    for evaluation in evaluations:
        if evaluation.status == "failed":
            by_reason.setdefault(evaluation.reason, []).append(evaluation.genome)
    lines = []
    for reason, genomes in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        more = ", …" if len(genomes) > NAMED else ""
        lines.append(f"failed {times(len(genomes))}: {reason} ({', '.join(genomes[:NAMED])}{more})")
    broken = Counter(_BROKEN.sub(r"\1", e.reason) for e in evaluations if e.status == "infeasible")
    return lines + [f"infeasible {times(count)}: {reason}" for reason, count in broken.most_common()]


def times(count: int) -> str:
    """How often, in words."""
    return "once" if count == 1 else f"{count:,} times"


def status_of(folder: RunFolder, store: Store) -> Status:
    """Raises InputError if the run cannot be read."""
    history, run, now = History.read(folder, store), folder.record(store), time.time()
    space, winner, used = history.space, history.best, history.spent
    counts = Counter(e.status for e in history)
    objective = space.first_objective[0]
    reasons = Counter(e.reason for e in history if e.status == "failed")
    last = max((e.ended for e in history if e.ended is not None), default=None)
    return Status(
        run=str(folder.path),
        state=run.state,
        reason=run.reason,
        finished=counts["finished"],
        failed=counts["failed"],
        infeasible=counts["infeasible"],
        corpus=one_line(folder.settings.corpus.words),
        budget=space.budget.words,
        budget_evaluations=space.budget.evaluations,
        budget_trainings=space.budget.trainings,
        budget_minutes=space.budget.minutes,
        budget_training_minutes=space.budget.training_minutes,
        steps=used.steps,
        trainings=used.steps / space.rungs[-1],
        training_seconds=used.training_seconds,
        worker_seconds=used.seconds,
        cost=Cost.of([history]),
        confirmation_cost=cost_of_confirmation(folder),
        seconds=run.seconds,
        silent=None if last is None else max(0.0, now - last),
        objective=objective,
        best=winner.metrics[objective] if winner else None,
        genome=winner.genome if winner else None,
        best_steps=space.rungs[winner.rung] if winner else None,
        best_seeds=winner.seeds if winner else None,
        last_steps=space.rungs[-1],
        failures=dict(reasons.most_common()),
        in_flight=tuple(
            InFlight(e.number, e.genome, space.rungs[e.rung], max(0.0, now - e.submitted))
            for e in history
            if e.status == "running"
        ),
        agreements=tuple(agreements(history)),
        forecast=forecast(history),
        range_ends=tuple(range_ends(history)),
        paused=folder.paused,
        worth=worth(folder.settings.corpus.yardsticks, history),
    )
