"""All that an algorithm has heard of, in arrays that grow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hrfevo.algorithms.base import Result
from hrfevo.algorithms.evolution.encoding import Encoding
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace


class Archive:
    """Genomes by number, in the order they came, with their vectors and what was measured of them.

    Objectives are turned so that smaller is better, whichever direction they have.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._encoding = Encoding(space)
        self._signs = -np.array(space.weights)
        self._last = len(space.rungs) - 1
        self._numbers: dict[str, int] = {}
        self.genomes: list[Genome] = []
        self._vectors: dict[int, np.ndarray] = {}
        self._values = np.empty((0, len(space.weights), len(space.rungs)))
        self._margins = np.empty((0, len(space.margins({}))))
        self._rungs, self._failed_at, self._kept, self._training_to, self._counts = (np.empty(0, int) for _ in range(5))
        self._failures, self._retired = np.empty(0, object), np.empty(0, bool)

    def __len__(self) -> int:
        return len(self.genomes)

    def __contains__(self, genome: Genome) -> bool:
        return genome.id in self._numbers

    def vectors(self, numbers: np.ndarray) -> np.ndarray:
        """Of some genomes, (n, columns), which are encoded when they are first asked for."""
        missing = [number for number in numbers.tolist() if number not in self._vectors]
        if missing:
            found = self._encoding([self.genomes[number] for number in missing])
            self._vectors.update(zip(missing, found, strict=True))
        if not len(numbers):
            return np.empty((0, self._encoding.columns))
        return np.stack([self._vectors[number] for number in numbers.tolist()])

    def rows(self) -> Rows:
        """Vectors of all that are there now, (N, columns), of which none is encoded before it is needed."""
        return Rows(self, np.arange(len(self)))

    @property
    def values(self) -> np.ndarray:
        """(N, objectives, rungs), not a number where not measured."""
        return self._values[: len(self)]

    @property
    def counts(self) -> np.ndarray:
        """How many seeds the values at the last rung are the mean of, (N,); 1 before there is any."""
        return self._counts[: len(self)]

    @property
    def margins(self) -> np.ndarray:
        """How far each is beyond its bounds, (N, bounds), not a number where unknown; see `SearchSpace.margins`."""
        return self._margins[: len(self)]

    @property
    def rungs(self) -> np.ndarray:
        """The highest rung that each was measured at, -1 for none."""
        return self._rungs[: len(self)]

    @property
    def kept(self) -> np.ndarray:
        """The rung that each one's training goes on from, -1 where it would begin at its first step."""
        return self._kept[: len(self)]

    @property
    def failures(self) -> np.ndarray:
        """The kind of failure that ended each one's training, (N,), empty where none did."""
        return self._failures[: len(self)]

    @property
    def failed_at(self) -> np.ndarray:
        """The rung that each failed at, -1 for none."""
        return self._failed_at[: len(self)]

    @property
    def pending(self) -> np.ndarray:
        """Numbers of those that are being trained."""
        return np.flatnonzero(self.training_to >= 0)

    @property
    def training_to(self) -> np.ndarray:
        """The rung that each is being trained to, (N,), -1 for none."""
        return self._training_to[: len(self)]

    @property
    def waiting(self) -> np.ndarray:
        """Numbers of those that could go on to their next rung."""
        idle = (self.training_to < 0) & ~self._retired[: len(self)]
        return np.flatnonzero(idle & (self.rungs >= 0) & (self.rungs < self._last))

    @property
    def finished(self) -> np.ndarray:
        """Numbers of those measured at the last rung."""
        return np.flatnonzero(self.rungs == self._last)

    def retire(self, numbers: np.ndarray) -> None:
        """These wait no longer: their trainings may be forgotten."""
        self._retired[numbers] = True

    def encode(self, genomes: list[Genome]) -> np.ndarray:
        """Vectors of genomes that need not be known."""
        return self._encoding(genomes)

    def begin(self, genome: Genome, rung: int) -> None:
        """Note that a genome is being trained to a rung."""
        if genome not in self:
            self._numbers[genome.id] = len(self)
            self.genomes.append(genome)
            self._reserve()
        self._training_to[self._numbers[genome.id]] = rung

    def end(self, result: Result) -> None:
        """Note what became of a training."""
        number, rung = self._numbers[result.proposal.genome.id], result.proposal.rung
        self._training_to[number] = -1
        if len(result.margins) == self._margins.shape[1]:
            self._margins[number] = result.margins
        if result.objectives is None:
            self._failures[number], self._failed_at[number], self._retired[number] = result.failure, rung, True
        else:
            self._values[number, :, rung] = self._signs * result.objectives
            self._rungs[number] = max(self._rungs[number], rung)
            self._counts[number] = result.measurements
            if not result.earlier:
                self._kept[number] = rung

    def _reserve(self) -> None:
        room = len(self._rungs)
        if len(self) <= room:
            return
        more = max(64, room)
        self._values, self._margins = (_longer(array, more, np.nan) for array in (self._values, self._margins))
        numbers = (self._rungs, self._failed_at, self._kept, self._training_to)
        self._rungs, self._failed_at, self._kept, self._training_to = (_longer(array, more, -1) for array in numbers)
        self._retired, self._counts = _longer(self._retired, more, False), _longer(self._counts, more, 1)
        self._failures = _longer(self._failures, more, "")


@dataclass(frozen=True)
class Rows:
    """Vectors of genomes of an archive, (n, columns), to be chosen from before any is made."""

    archive: Archive
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, some: Any) -> Rows:
        return Rows(self.archive, self.numbers[some])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.archive.vectors(self.numbers), dtype)


def _longer(array: np.ndarray, more: int, value: float | str) -> np.ndarray:
    return np.concatenate([array, np.full((more, *array.shape[1:]), value, array.dtype)])
