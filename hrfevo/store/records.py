"""What a store gives: a run, how far it is, its evaluations and who of them leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hrfevo.workers.base import Status

# A store never says "crashed": whoever crashed could not tell it. See `RunFolder.state`.
State = Literal["running", "stopped", "finished", "failed", "crashed"]


@dataclass(frozen=True)
class RunRecord:
    """One search. `settings` is everything it was started with, as JSON."""

    id: str
    name: str
    state: State
    reason: str
    created: float
    seconds: float
    settings: dict[str, Any]


@dataclass(frozen=True)
class Version:
    """How far a run is: `event` is the last, -1 before the first; `timings` are counted."""

    state: State
    reason: str
    seconds: float
    event: int
    timings: int = 0


@dataclass(frozen=True)
class Evaluation:
    """One evaluation with its genome. Times are seconds since the epoch; `status` is running until it ended.

    The store gives each as it was measured. `results.averaging` makes one of several `seeds`: `metrics` are means then,
    and `doubts` the standard errors of objectives, as far as seeds have told of them. `timings` are what a step of its
    genome took, alone, in milliseconds, by metric, each time that this was measured again.
    """

    number: int
    genome: str
    values: dict[str, Any]
    birth: int
    operator: str
    parents: tuple[str, ...]
    rung: int
    seed: int
    status: Status | Literal["running"]
    reason: str
    detail: str
    metrics: dict[str, float]
    worker: str
    device: str
    submitted: float
    started: float | None
    ended: float | None
    submitted_event: int
    ended_event: int | None
    seeds: int = 1
    doubts: Mapping[str, float] = field(default_factory=dict)
    timings: tuple[Mapping[str, float], ...] = ()

    @property
    def seconds(self) -> float:
        """That its worker spent on it; 0 until it ended."""
        return max(0.0, (self.ended or 0.0) - (self.started or 0.0))


@dataclass(frozen=True)
class Leader:
    """The best genome of a run by its first objective, whose value this is."""

    genome: str
    rung: int
    value: float
