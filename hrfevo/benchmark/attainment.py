"""What a simulated search had attained after how many seconds of training."""

from __future__ import annotations

from dataclasses import dataclass

import moocore
import numpy as np

from hrfevo.algorithms.seeds import Scores
from hrfevo.benchmark.base import Benchmark
from hrfevo.benchmark.simulation import Trace
from hrfevo.pareto import Hypervolume


@dataclass(frozen=True)
class Attained:
    """Steps in time: from `seconds[i]` of training on, `values[i]` was attained."""

    seconds: np.ndarray
    values: np.ndarray

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """What was attained by then; not a number before anything was."""
        index = np.searchsorted(self.seconds, seconds, side="right") - 1
        return np.where(index >= 0, self.values[np.maximum(index, 0)], np.nan)


@dataclass(frozen=True)
class Recommended:
    """What the genomes are worth that a search would name at its end, in the measures of `Yardstick`.

    Less than what it has attained, by what luck hid from it.
    """

    hypervolume: float
    regret: float
    flattery: float
    """By how much the best by the first objective is worth less than the score that is named with it."""


class Yardstick:
    """Hypervolume and regret on a benchmark, of evaluations at its last rung.

    Only evaluations at full length count, for whoever trains to lower rungs as for whoever does not; each counts
    for what its genome is worth on average over seeds, where that is known.
    """

    def __init__(self, benchmark: Benchmark) -> None:
        self._last = len(benchmark.space.rungs) - 1
        self._weights = np.array(benchmark.space.weights)
        self._scale = benchmark.scale()
        known = self._scale
        self._hypervolume = Hypervolume.between(known.ideal, known.worst).relative_to(known.points)

    @property
    def full_training(self) -> float:
        """Seconds that a genome takes to the last rung, on average."""
        return self._scale.full_training

    def hypervolume(self, trace: Trace) -> Attained:
        """Share of the hypervolume of the front of all that is known of the benchmark."""
        measured = self._measured(trace)
        points = np.array([point for _, point in measured]).reshape(-1, len(self._weights))
        places, volumes = self._hypervolume.growth(points)
        seconds = np.array([spent for spent, _ in measured])[places]
        return Attained(np.append(0.0, seconds), np.append(0.0, volumes))

    def regret(self, trace: Trace) -> Attained:
        """How far the best first objective so far is from the best that is known, in its own unit."""
        seconds, values, best = [], [], np.inf
        for spent, point in self._measured(trace):
            if point[0] < best:
                best = point[0]
                seconds.append(spent)
                values.append(best - self._scale.ideal[0])
        return Attained(np.array(seconds), np.array(values))

    def recommended(self, trace: Trace, seconds: float) -> Recommended:
        """Of the genomes that are on the front, as `hrfevo.results.ranking` has it, after so many seconds of training.

        Regret and flattery are no numbers, and the hypervolume is 0, where none has come to the last rung.
        """
        measured: dict[str, list[np.ndarray]] = {}
        worth: dict[str, np.ndarray] = {}
        rows = zip(trace.genomes, trace.rungs, trace.spent, trace.measured, trace.objectives, strict=True)
        for genome, rung, spent, told, truth in rows:
            if rung == self._last and spent <= seconds and told is not None and truth is not None:
                measured.setdefault(genome, []).append(self._points(np.array(told)))
                worth[genome] = self._points(np.array(truth))
        if not worth:
            return Recommended(0.0, np.nan, np.nan)
        scores = Scores.of([np.array(seeds) for seeds in measured.values()])
        relied_on = scores.cautious
        best = int(np.argmin(relied_on[:, 0]))
        truths = np.array([*worth.values()])
        front = truths[moocore.is_nondominated(relied_on)]
        share = self._hypervolume.of(front)
        regret, flattery = truths[best, 0] - self._scale.ideal[0], truths[best, 0] - scores.means[best, 0]
        return Recommended(share, float(regret), float(flattery))

    def _measured(self, trace: Trace) -> list[tuple[float, np.ndarray]]:
        rows = zip(trace.rungs, trace.spent, trace.objectives, strict=True)
        return [(t, self._points(np.array(o))) for rung, t, o in rows if rung == self._last and o is not None]

    def _points(self, objectives: np.ndarray) -> np.ndarray:
        smaller_is_better: np.ndarray = -objectives * self._weights
        return smaller_is_better
