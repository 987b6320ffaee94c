"""The course of a search: the best so far and the hypervolume, evaluation after evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hrfevo.pareto import Hypervolume, joined
from hrfevo.space.search_space import SearchSpace
from hrfevo.workers.base import Outcome

# The first so many results of a rung set the scale of its hypervolume.
FIRST = 4


@dataclass
class _Rung:
    first: list[np.ndarray] = field(default_factory=list)
    measured: dict[str, list[np.ndarray]] = field(default_factory=dict)
    front: np.ndarray | None = None


class Course:
    """Follows results; each rung has a course of its own, as scores of different rungs are never compared."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._signs = -np.array(space.weights)  # smaller is better
        self._rungs: dict[int, _Rung] = {}

    def after(self, outcome: Outcome) -> dict[str, float]:
        """Series and their values once this has ended; none for what did not finish.

        `180_steps/best_bits_per_byte` is the best so far of an objective at a rung of 180 steps. With several
        objectives, `180_steps/hypervolume` is what the front dominates within the worst corner of the first four
        results, their box being 1, so that it grows beyond that. A genome that was trained with several seeds counts
        for the mean.
        """
        if outcome.status != "finished":
            return {}
        rung = self._rungs.setdefault(outcome.job.rung, _Rung())
        point = self._signs * np.array([outcome.metrics[name] for name in self._space.objectives])
        if len(rung.first) < FIRST:
            rung.first.append(point)
        own = rung.measured.setdefault(outcome.job.genome.id, [])
        own.append(point)
        if len(own) > 1 or rung.front is None:
            rung.front = _front([np.mean(seeds, axis=0) for seeds in rung.measured.values()])
        else:
            rung.front = joined(rung.front, point)
        place = f"{self._space.rungs[outcome.job.rung]}_steps"
        best = self._signs * rung.front.min(axis=0)
        series = {f"{place}/best_{name}": float(v) for name, v in zip(self._space.objectives, best, strict=True)}
        if len(self._signs) > 1 and len(rung.first) == FIRST:
            series[f"{place}/hypervolume"] = Hypervolume.around(np.array(rung.first)).of(rung.front)
        return series


def _front(means: Sequence[np.ndarray]) -> np.ndarray:
    import moocore

    points = np.array(means)
    result: np.ndarray = points[moocore.is_nondominated(points)]
    return result
