"""What a search has spent: evaluations, training steps, and seconds of its workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from hrfevo.space.budget import Spent
from hrfevo.store.records import Evaluation
from hrfevo.workers.base import TRAIN_STEPS, counts


class Ledger:
    """Adds up what evaluations take, in the order in which they end.

    A rung costs what it adds to the one below. What was trained is known where the worker told it (`TRAIN_STEPS`): less
    for a training that diverged, more for one whose lower rung was lost. Elsewhere, as where a worker has died, it is
    what was asked for.
    """

    def __init__(self, rungs: Sequence[int]) -> None:
        self.spent = Spent()
        self._rungs = rungs
        self._reached: dict[tuple[str, int], int] = {}

    def planned(self, genome: str, seed: int, rung: int) -> int:
        """Training steps from where the training of this genome with this seed has come to, to a rung."""
        return max(0, self._rungs[rung] - self._reached.get((genome, seed), 0))

    def add(self, genome: str, seed: int, rung: int, status: str, metrics: Mapping[str, float], seconds: float) -> None:
        """Enter an evaluation that has ended after `seconds` of its worker."""
        counted = counts(status, metrics)
        steps = int(metrics.get(TRAIN_STEPS, self.planned(genome, seed, rung) if counted else 0))
        before = self.spent
        pace = metrics.get("step_time", 1000 * self._pace) / 1000
        tokens = metrics["train_tokens"] / self._rungs[rung] if "train_tokens" in metrics else self._tokens
        self.spent = Spent(
            before.evaluations + counted,
            before.steps + steps,
            before.training_seconds + pace * steps,
            before.seconds + seconds,
            before.tokens + tokens * steps,
        )
        if status == "finished":
            self._reached[genome, seed] = self._rungs[rung]

    def expected(self, steps: int, evaluations: int) -> Spent:
        """What will have been spent when so many steps more are trained, in so many evaluations, at the pace so far."""
        spent = self.spent
        return replace(
            spent,
            evaluations=spent.evaluations + evaluations,
            steps=spent.steps + steps,
            training_seconds=spent.training_seconds + self._pace * steps,
        )

    @property
    def _pace(self) -> float:
        """Seconds of a step, the mean so far: what a training that failed counts by."""
        return self.spent.training_seconds / self.spent.steps if self.spent.steps else 0.0

    @property
    def _tokens(self) -> float:
        """Of a step, the mean so far, likewise."""
        return self.spent.tokens / self.spent.steps if self.spent.steps else 0.0


def spent(rungs: Sequence[int], evaluations: Iterable[Evaluation]) -> Spent:
    """What the evaluations of a run with these rungs have taken, those in flight left out."""
    ledger = Ledger(rungs)
    for e in sorted((e for e in evaluations if e.ended_event is not None), key=lambda e: e.ended_event or 0):
        ledger.add(e.genome, e.seed, e.rung, e.status, e.metrics, e.seconds)
    return ledger.spent
