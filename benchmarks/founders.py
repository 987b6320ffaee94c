"""What it is worth to train founders in full, and to weigh gains per second: losses and fronts of equal training.

    python benchmarks/founders.py benchmarks/mixers.parquet

On an emulator of real trainings. Each search begins with the founders of the space and has `--trainings` full
trainings' seconds of one worker, in virtual time. What counts is the loss at the last rung without its noise, and the
hypervolume of what has a lower loss than the first founder, in shares of what all searches of a seed have together.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from common import end, machine, print_table
from scipy.stats import wilcoxon

from hrfevo.algorithms.base import Founded, Proposal
from hrfevo.algorithms.evolution import Evolution
from hrfevo.algorithms.evolution.expected_improvement import Beliefs
from hrfevo.benchmark.base import Benchmark
from hrfevo.benchmark.loading import load_benchmark
from hrfevo.benchmark.simulation import simulate
from hrfevo.pareto import Hypervolume
from hrfevo.space.budget import Budget
from hrfevo.space.genome import canonical


class PerStep(Evolution):
    """A step is a step, however long it takes."""

    def _pace(self, beliefs: Beliefs) -> np.ndarray:
        return np.ones(len(beliefs.means))


FIRST, FULL, DEFAULT = "founders begin at the first rung", "founders are trained in full", "and gains are per second"
# Whether founders begin at the last rung, and who searches.
SEARCHES = {FIRST: (False, PerStep), FULL: (True, PerStep), DEFAULT: (True, Evolution)}


def search(benchmark: Benchmark, seed: int, trainings: float, in_full: bool, kind: type[Evolution]) -> np.ndarray:
    """Objectives of what one search measured at the last rung, (n, objectives)."""
    space = benchmark.space.model_copy(update={"budget": Budget(training_minutes=1)})
    last = len(space.rungs) - 1
    genomes = (canonical(space, values) for values in space.founders.values())
    founders = [Proposal(genome, "founder", rung=last if in_full else 0) for genome in genomes]
    algorithm = Founded(kind(space, np.random.default_rng(seed)), founders)
    seconds = trainings * benchmark.scale().full_training
    trace = simulate(benchmark, algorithm, workers=1, seconds=seconds, seed=seed)
    found = zip(trace.objectives, trace.rungs, strict=True)
    return np.array([objectives for objectives, rung in found if objectives is not None and rung == last])


def beside(found: dict[str, list[float]], name: str, other: str) -> str:
    """p of Wilcoxon's test over seeds; nothing beside itself."""
    return f"{wilcoxon(found[name], found[other]).pvalue:.3f}" if name != other else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="What founders in full, and gains per second, are worth.")
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trainings", type=float, default=40)
    options = parser.parse_args()
    benchmark = load_benchmark(options.benchmark, [])
    losses: dict[str, list[float]] = {name: [] for name in SEARCHES}
    shares: dict[str, list[float]] = {name: [] for name in SEARCHES}
    for seed in range(options.seeds):
        points = {name: search(benchmark, seed, options.trainings, *terms) for name, terms in SEARCHES.items()}
        limit = points[FULL][0, 0]
        better = {name: of_one[of_one[:, 0] < limit] for name, of_one in points.items()}
        together = np.concatenate([*better.values()])
        scale = Hypervolume.around(together, margin=0.1).relative_to(together)
        for name, of_one in points.items():
            losses[name].append(float(of_one[:, 0].min()))
            shares[name].append(scale.of(better[name]))
    print(f"{machine('numpy', 'moocore')}; {options.seeds} seeds, {options.trainings:g} full trainings\n")
    rows = [
        [
            name,
            f"{np.mean(losses[name]):.4f}",
            f"{np.max(losses[name]):.4f}",
            beside(losses, name, FULL),
            f"{np.mean(shares[name]):.3f}",
            beside(shares, name, FULL),
        ]
        for name in SEARCHES
    ]
    print_table(["search", "mean best loss", "worst seed's", "p", "hypervolume below the founder's loss", "p"], rows)
    missed = [
        f"{name}: a smaller front than without"
        for name, other in ((FULL, FIRST), (DEFAULT, FULL))
        if np.mean(shares[name]) < np.mean(shares[other])
    ]
    return end(missed)


if __name__ == "__main__":
    sys.exit(main())
