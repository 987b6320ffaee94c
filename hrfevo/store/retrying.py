"""What a search writes, kept also where the database is away for a while or its disk is full."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TypeVar

from hrfevo.algorithms.base import Proposal
from hrfevo.store.records import State
from hrfevo.store.store import Store, Unreachable
from hrfevo.workers.base import Job, Outcome

# Between two attempts, seconds: twice as long each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

Kept = TypeVar("Kept")


class PatientStore:
    """A store's journal that pauses the search instead of ending it: each write is repeated until it is kept.

    A write whose answer was lost may have been kept; it is not kept twice.
    """

    def __init__(
        self, store: Store, say: Callable[[str], None], pausing: Callable[[str], None] = lambda reason: None
    ) -> None:
        """What the user should know of a pause it will `say`; `pausing` hears its reason, and "" as it ends."""
        self._store, self._say, self._pausing = store, say, pausing

    def submitted(self, run_id: str, job: Job, proposal: Proposal) -> None:
        """Keep a job before a worker gets it."""

        def keep(again: bool) -> None:
            if not (again and self._store.recall(run_id, job.number)):
                self._store.submitted(run_id, job, proposal)

        self._insist(keep)

    def record(self, run_id: str, outcome: Outcome, seconds: float) -> bool:
        """Keep what became of a job; `seconds` is how long the run has lasted."""
        return self._insist(lambda _: self._store.record(run_id, outcome, seconds))

    def timed(self, run_id: str, outcome: Outcome) -> None:
        """Keep what a step of a genome took, alone."""
        self._insist(lambda _: self._store.timed(run_id, outcome))

    def set_state(self, run_id: str, state: State, reason: str = "") -> None:
        """Note what a run is now."""
        self._insist(lambda _: self._store.set_state(run_id, state, reason))

    def _insist(self, write: Callable[[bool], Kept]) -> Kept:
        for attempt in itertools.count():
            try:
                kept = write(attempt > 0)
            except Unreachable as error:
                if not attempt:
                    self._say(f"paused, results cannot be kept: {error}; trying again")
                    self._pausing(f"results cannot be kept: {error}")
                time.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt))
                continue
            if attempt:
                self._say("results can be kept again: going on")
                self._pausing("")
            return kept
        raise AssertionError
