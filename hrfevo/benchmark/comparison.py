"""Many searches over one benchmark: algorithms × workers × seeds, on all cores."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from hrfevo.algorithms.base import Algorithm
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.attainment import Attained, Yardstick
from hrfevo.benchmark.loading import load_benchmark
from hrfevo.benchmark.simulation import simulate
from hrfevo.space.search_space import SearchSpace

FULL = ":full"

Factory = Callable[[SearchSpace, np.random.SeedSequence], Algorithm]


@dataclass(frozen=True)
class Case:
    """One search: an algorithm by name, `NAME:full` to train every genome to the last rung."""

    algorithm: str
    workers: int
    seed: int
    spread: float = 0.0


@dataclass(frozen=True)
class Score:
    """What one search attained, and what it took."""

    case: Case
    hypervolume: Attained
    regret: Attained
    seconds: float
    evaluations: int
    proposal_ms: float
    workers_used: float
    promotions: int = 0
    lost: int = 0
    recommended_hypervolume: float = np.nan
    recommended_regret: float = np.nan
    recommended_flattery: float = np.nan
    """What the genomes are worth that the search would name at its end; see `Yardstick.recommended`."""


@dataclass(frozen=True)
class Comparison:
    """A benchmark, how many seconds of training each search may spend, and algorithms beyond `hrfevo`'s own."""

    path: Path
    trainings: float
    overrides: tuple[str, ...] = ()
    factories: tuple[tuple[str, Factory], ...] = ()

    def run(self, cases: Sequence[Case], processes: int | None = None) -> Iterator[Score]:
        """Scores as they come, in the order of the cases."""
        run = partial(_run, self)
        if processes == 1:
            yield from map(run, cases)
            return
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            yield from pool.imap(run, cases)


class _Runner:
    """A benchmark in memory, and its yardsticks."""

    def __init__(self, comparison: Comparison) -> None:
        whole = load_benchmark(comparison.path, comparison.overrides)
        last = whole.at_full_length()
        self._benchmarks = {"": (whole, Yardstick(whole)), FULL: (last, Yardstick(last))}
        self._factories = dict(comparison.factories)
        self._seconds = comparison.trainings * self._benchmarks[""][1].full_training

    def __call__(self, case: Case) -> Score:
        name = case.algorithm.removesuffix(FULL)
        benchmark, yardstick = self._benchmarks[FULL if case.algorithm.endswith(FULL) else ""]
        seed = np.random.SeedSequence([case.seed, case.workers])
        factory = self._factories.get(name)
        algorithm = factory(benchmark.space, seed) if factory else make_algorithm(name, benchmark.space, seed, False)
        trace = simulate(
            benchmark, algorithm, workers=case.workers, seconds=self._seconds, spread=case.spread, seed=case.seed
        )
        recommended = yardstick.recommended(trace, self._seconds)
        return Score(
            case,
            yardstick.hypervolume(trace),
            yardstick.regret(trace),
            self._seconds,
            len(trace.rungs),
            1000 * trace.proposal_seconds / max(1, trace.proposals),
            trace.workers_used,
            trace.promotions,
            trace.lost,
            recommended.hypervolume,
            recommended.regret,
            recommended.flattery,
        )


@lru_cache(maxsize=1)
def _runner(comparison: Comparison) -> _Runner:
    """Once per process: the benchmark is read once, not for every case."""
    return _Runner(comparison)


def _run(comparison: Comparison, case: Case) -> Score:
    return _runner(comparison)(case)


# --- summaries -----------------------------------------------------------------------------------


def seconds_to(attained: Attained, target: float, *, rising: bool, within: float) -> float:
    """When `target` was attained; infinity if not `within` the budget."""
    reached = attained.values >= target if rising else attained.values <= target
    reached &= attained.seconds <= within
    return float(attained.seconds[np.argmax(reached)]) if reached.any() else np.inf


def median_interval(values: Iterable[float], seed: int = 0, draws: int = 2000) -> tuple[float, float, float]:
    """The median and its 95 % bootstrap interval; infinities count as late."""
    data = np.array(list(values))
    picks = np.random.default_rng(seed).integers(0, len(data), (draws, len(data)))
    medians = np.sort(np.median(np.sort(data[picks], axis=1), axis=1))
    return float(np.median(data)), float(medians[int(0.025 * draws)]), float(medians[int(0.975 * draws) - 1])
