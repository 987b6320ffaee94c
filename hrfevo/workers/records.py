"""What passes between the parts of a search: proposals, jobs, outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hrfevo.space.genome import Genome

# Words for where a proposal comes from that say more than how its genome was made.
FOUNDER, PROMOTION = "founder", "promotion"
# The share of a model's parameters that were copied from another genome's training, in metrics.
INHERITED = "inherited"
# The steps that an evaluation trained, in metrics: its own, without those of lower rungs that it went on from.
TRAIN_STEPS = "train_steps"

# Why a job failed that found no memory for its model, on its device or in the machine.
OUT_OF_MEMORY = "out of memory"

# finished: trained and measured. failed: stopped for a reason. infeasible: broke a constraint, not trained.
Status = Literal["finished", "failed", "infeasible"]


class Unfit(RuntimeError):
    """A worker lacks what no genome can bring along, such as a package, a part of models or a device.

    No genome is to blame, so the job has no outcome: the search stops, and does it when it is resumed.
    """


@dataclass(frozen=True)
class Proposal:
    """A genome that an algorithm wants trained to a rung, and where it comes from.

    `seed` is that of the training where it is not the search's own; a `fresh` one begins at step 0 whatever is kept and
    known of the genome, and is not kept itself. One that `opens` is the first after a generation that could not be
    filled.
    """

    genome: Genome
    operator: str
    parents: tuple[str, ...] = ()
    rung: int = 0
    seed: int | None = None
    fresh: bool = False
    opens: bool = False


@dataclass(frozen=True)
class Job:
    """One evaluation to do: `number` counts the submissions of a run from 0.

    `checkpoint` is the place where its training is kept between rungs, if it is kept; `parent` that of the
    genome whose weights it begins with. `known` are metrics of lower rungs that no rung changes and that need not be
    measured again.
    """

    number: int
    genome: Genome
    rung: int
    seed: int
    checkpoint: str | None = None
    parent: str | None = None
    known: Mapping[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Point:
    """One point of a learning curve: mean training loss since the point before."""

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


def counts(status: str, metrics: Mapping[str, float]) -> bool:
    """Whether an evaluation counts against the budget: all do but those found infeasible untrained."""
    return status != "infeasible" or "train_seconds" in metrics


@dataclass(frozen=True)
class Result:
    """What an algorithm hears: a proposal, its objectives, or None if there are none, and how it keeps to the bounds.

    `margins` are those of `SearchSpace.margins`; `failure` is the kind of a failure, in a word or two, empty where the
    training ended well or was never begun for want of a bound. Objectives are the mean over as many `measurements`
    with different seeds. `earlier` is what another search found: its training is not kept here, so the next rung
    begins at the first step.
    """

    proposal: Proposal
    objectives: tuple[float, ...] | None
    margins: tuple[float, ...] = ()
    failure: str = ""
    measurements: int = 1
    earlier: bool = False
