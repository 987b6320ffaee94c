"""Workers in virtual time: jobs end as a function says, after the seconds it says, and nobody waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace

from hrfevo.workers.base import Job, Outcome, unheard


class SimulatedWorkers:
    """`capacity` workers; `evaluate` gives a job's outcome, `ended - started` being how long it takes."""

    def __init__(self, evaluate: Callable[[Job], Outcome], capacity: int) -> None:
        self.capacity = capacity
        self.pausing: Callable[[str], None] = unheard
        self.now = 0.0
        self._evaluate = evaluate
        self._events: list[tuple[float, int, Outcome]] = []

    @property
    def running(self) -> int:
        return len(self._events)

    def clock(self) -> float:
        """Virtual seconds since the start."""
        return self.now

    def submit(self, job: Job) -> None:
        outcome = self._evaluate(job)
        ended = self.now + outcome.ended - outcome.started
        heapq.heappush(self._events, (ended, job.number, replace(outcome, started=self.now, ended=ended)))

    def next_outcome(self) -> Outcome:
        self.now, _, outcome = heapq.heappop(self._events)
        return outcome

    def close(self) -> None:
        """Nothing to stop."""
