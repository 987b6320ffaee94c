"""The protocol of workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hrfevo.workers.base import Job, Outcome


class WorkersLost(RuntimeError):
    """None of the workers can be reached, and none will come back by itself."""


def unheard(reason: str) -> None:
    """What hears of pauses where nobody asked to."""


class Workers(Protocol):
    """A number of places that each evaluate one job at a time."""

    pausing: Callable[[str], None]
    """Hears why no worker is left, and "" when there is one again."""

    @property
    def capacity(self) -> int:
        """How many jobs can run at once, at this moment."""

    @property
    def running(self) -> int:
        """Jobs submitted whose outcome has not been handed out."""

    def submit(self, job: Job) -> None:
        """Start a job; only while `running` is below `capacity`."""

    def next_outcome(self) -> Outcome | None:
        """Wait for the next job to end, or, with None, until there is room for more.

        Every job submitted ends exactly once: a worker that dies is replaced and its job run
        again, and a job that keeps killing workers ends as failed. Raises Unfit where a worker can do none.
        """

    def close(self) -> None:
        """Stop all workers; running jobs are lost to this search until it is resumed."""
