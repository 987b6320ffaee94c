"""What a benchmark is: where simulated searches find what a training would have given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace
from hrfevo.workers.base import Status


@dataclass(frozen=True)
class Station:
    """What is known of a genome at one rung.

    `seconds` is what its evaluation from the rung below took. `from_start` is what it would have taken from step 0, and
    `truth` what would be measured on average over seeds; None if they are the sum over all rungs, and `metrics`.
    """

    status: Status
    reason: str
    metrics: Mapping[str, float]
    seconds: float
    from_start: float | None = None
    truth: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Scale:
    """Objectives, turned so that smaller is better, of genomes that are known at the last rung, (genomes, objectives).

    Attained hypervolume counts from `worst` to `ideal`. `full_training` are seconds that a genome takes to the last
    rung, on average over the space.
    """

    points: np.ndarray
    ideal: np.ndarray
    worst: np.ndarray
    full_training: float


class Benchmark(Protocol):
    """Where simulated searches find what a training would have given."""

    space: SearchSpace
    about: dict[str, Any]

    def at(self, genome: Genome, rung: int, seed: int = 0) -> Station:
        """One measurement, the same however often it is asked for. Raises InputError for a genome that has none."""

    def at_full_length(self) -> Benchmark:
        """The same with its last rung alone."""

    def scale(self) -> Scale:
        """Of what searches attain here."""
