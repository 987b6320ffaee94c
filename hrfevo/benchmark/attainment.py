"""What a simulated search had attained after how many seconds of training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hrfevo.benchmark.simulation import Trace
from hrfevo.benchmark.table import Table
from hrfevo.hypervolume import growth, volume


@dataclass(frozen=True)
class Attained:
    """Steps in time: from `seconds[i]` of training on, `values[i]` was attained."""

    seconds: np.ndarray
    values: np.ndarray

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """What was attained by then; not a number before anything was."""
        index = np.searchsorted(self.seconds, seconds, side="right") - 1
        return np.where(index >= 0, self.values[np.maximum(index, 0)], np.nan)


class Yardstick:
    """Hypervolume and regret over a table, of evaluations at its last rung.

    Only evaluations at full length count, for whoever trains to lower rungs as for whoever does not.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self._last = len(table.space.rungs) - 1
        self._weights = np.array(table.space.weights)
        finished = [s[-1] for s in table.stations.values() if s[-1].status == "finished"]
        points = self._points(np.array([[s.metrics[name] for name in table.space.objectives] for s in finished]))
        self._ideal, self._worst = points.min(axis=0), points.max(axis=0)
        self._whole = volume(points, self._ideal, self._worst)

    def hypervolume(self, trace: Trace) -> Attained:
        """Share of the hypervolume of the whole table's front, each objective from its best to its worst value."""
        measured = self._measured(trace)
        points = np.array([point for _, point in measured]).reshape(-1, len(self._weights))
        places, volumes = growth(points, self._ideal, self._worst)
        seconds = np.array([spent for spent, _ in measured])[places]
        return Attained(np.append(0.0, seconds), np.append(0.0, volumes / self._whole))

    def regret(self, trace: Trace) -> Attained:
        """How far the best first objective so far is from the table's best, in its own unit."""
        seconds, values, best = [], [], np.inf
        for spent, point in self._measured(trace):
            if point[0] < best:
                best = point[0]
                seconds.append(spent)
                values.append(best - self._ideal[0])
        return Attained(np.array(seconds), np.array(values))

    @cached_property
    def full_training(self) -> float:
        """Seconds that a genome takes to the last rung, on average over the table."""
        return float(np.mean([sum(s.seconds for s in stations) for stations in self.table.stations.values()]))

    def _measured(self, trace: Trace) -> list[tuple[float, np.ndarray]]:
        rows = zip(trace.rungs, trace.spent, trace.objectives, strict=True)
        return [(t, self._points(np.array(o))) for rung, t, o in rows if rung == self._last and o is not None]

    def _points(self, objectives: np.ndarray) -> np.ndarray:
        smaller_is_better: np.ndarray = -objectives * self._weights
        return smaller_is_better
