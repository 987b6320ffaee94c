"""What as much training again gained, in simulated searches: what the forecast of `hrfevo status` stands on.

    python benchmarks/forecast.py

Each search has twice `--trainings` full trainings. At a half, at two thirds and at all of the first half of them it is
looked at, and what it gained by twice as much training is set beside what its last two doublings had gained.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import end, machine, print_table

from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.attainment import Yardstick
from hrfevo.benchmark.base import Benchmark
from hrfevo.benchmark.loading import load_benchmark
from hrfevo.benchmark.simulation import Trace, simulate
from hrfevo.results.forecast import doublings

ALGORITHMS, MOMENTS = ("evolution", "genetic", "random", "tpe"), (0.25, 1 / 3, 0.5)


def looked_at(trace: Trace, last: int) -> Iterator[tuple[float, float]]:
    """At each moment, what was gained by as much training again, and the greater of the last two doublings' gains."""
    spent = np.array(trace.spent)
    losses = np.array(
        [math.inf if m is None or rung < last else m[0] for m, rung in zip(trace.measured, trace.rungs, strict=True)]
    )
    for moment in MOMENTS:
        so_far = spent <= moment * spent[-1]
        gains = doublings(spent[so_far].tolist(), losses[so_far].tolist())
        if gains is not None:
            doubled = spent <= 2 * spent[so_far][-1]
            yield float(losses[so_far].min() - losses[doubled].min()), max(gains)


def searched(benchmark: Benchmark, algorithm: str, seed: int, trainings: float) -> Trace:
    made = make_algorithm(algorithm, benchmark.space, np.random.SeedSequence([seed, 1]), False)
    seconds = trainings * Yardstick(benchmark).full_training
    return simulate(benchmark, made, workers=1, seconds=seconds, seed=seed)


def main() -> int:
    parser = argparse.ArgumentParser(description="What more budget gains.")
    parser.add_argument("benchmark", type=Path, nargs="?", default=Path(__file__).parent / "tabular.parquet")
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--trainings", type=float, default=40)
    options = parser.parse_args()
    print(f"{machine('numpy', 'optuna', 'deap')}; {options.benchmark.name}\n")
    benchmark = load_benchmark(options.benchmark)
    last = len(benchmark.space.rungs) - 1
    rows = []
    for algorithm in options.algorithms.split(","):
        traces = [searched(benchmark, algorithm, seed, 2 * options.trainings) for seed in range(options.seeds)]
        gained, most = np.array([pair for trace in traces for pair in looked_at(trace, last)]).T
        found, within = np.mean(gained > 0), np.mean(gained <= most)
        means = [f"{some.mean():.4f}" for some in (gained, most)]
        rows.append([algorithm, len(gained), f"{found:.0%}", f"{within:.0%}", *means])
    print_table(["algorithm", "moments", "found better", "gained no more than said", "mean gain", "mean said"], rows)
    return end([])


if __name__ == "__main__":
    sys.exit(main())
