"""What workers are given and give back, and their protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from hrfevo.space.genome import Genome

# The share of a model's parameters that were copied from another genome's training, in metrics.
INHERITED = "inherited"
# The steps that an evaluation trained, in metrics: its own, without those of lower rungs that it went on from.
TRAIN_STEPS = "train_steps"

# What names of metrics begin with that were measured on the test split.
TEST = "test_"

# Why a job failed that found no memory for its model, on its device or in the machine.
OUT_OF_MEMORY = "out of memory"

# finished: trained and measured. failed: stopped for a reason. infeasible: broke a constraint, not trained.
Status = Literal["finished", "failed", "infeasible"]


class Unfit(RuntimeError):
    """A worker lacks what no genome can bring along, such as a package, a part of models or a device.

    No genome is to blame, so the job has no outcome: the search stops, and does it when it is resumed.
    """


@dataclass(frozen=True)
class Job:
    """One evaluation to do: `number` counts the submissions of a run from 0.

    `checkpoint` is the place where its training is kept between rungs, if it is kept; `parent` that of the
    genome whose weights it begins with. `known` are metrics of lower rungs that no rung changes and that need not be
    measured again. One with a `timing` is no evaluation: some first steps are timed, and nothing is kept of them. It
    says how often that was done before.
    """

    number: int
    genome: Genome
    rung: int
    seed: int
    checkpoint: str | None = None
    parent: str | None = None
    known: Mapping[str, float] = field(default_factory=dict, compare=False)
    timing: int | None = None


@dataclass(frozen=True)
class Point:
    """One point of a learning curve: mean training loss since the point before, in bits per byte, sample or label."""

    step: int
    seconds: float
    bits_per_byte: float


@dataclass(frozen=True)
class Outcome:
    """What became of a job. `metrics` holds what was measured before it ended; `reason` says why if
    that was early. `started` and `ended` are seconds since the epoch on the worker's clock. One that `ends_worker` left
    its process with a device that computes nothing any more: no other job may follow there.
    """

    job: Job
    status: Status
    metrics: dict[str, float]
    reason: str = ""
    detail: str = ""
    curve: tuple[Point, ...] = ()
    started: float = 0.0
    ended: float = 0.0
    worker: str = ""
    device: str = ""
    ends_worker: bool = False


class Evaluator(Protocol):
    """What a worker does with a job. Never raises for what a genome does; that is an outcome."""

    def __call__(self, job: Job) -> Outcome:
        """Evaluate one job. Raises Unfit where no genome could be."""


def counts(status: str, metrics: Mapping[str, float]) -> bool:
    """Whether an evaluation counts against the budget: all do but those found infeasible untrained."""
    return status != "infeasible" or "train_seconds" in metrics


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
