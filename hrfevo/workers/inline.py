"""Evaluations in this process, one after another: for debugging, without Ray."""

from __future__ import annotations

import gc
from collections.abc import Callable

from hrfevo.workers.base import Evaluator, Job, Outcome, WorkersLost, unheard


class InlineWorkers:
    """One place; a job runs when its outcome is asked for."""

    capacity = 1

    def __init__(self, evaluator: Evaluator) -> None:
        gc.freeze()  # what is there already is not looked through after each evaluation
        self.pausing: Callable[[str], None] = unheard
        self._evaluator = evaluator
        self._job: Job | None = None
        self._ended_by = ""

    @property
    def running(self) -> int:
        return int(self._job is not None)

    def submit(self, job: Job) -> None:
        assert self._job is None
        self._job = job

    def next_outcome(self) -> Outcome:
        assert self._job is not None
        if self._ended_by:
            raise WorkersLost(f"the device computes nothing any more in this process, since {self._ended_by}")
        outcome = self._evaluator(self._job)
        if outcome.ends_worker:
            self._ended_by = f"{outcome.job.genome.id} ended with: {outcome.reason or outcome.status}"
        self._job = None
        return outcome

    def close(self) -> None:
        gc.unfreeze()
