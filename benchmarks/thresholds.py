"""What thresholds of objectives and gains per second are worth: losses and fronts of equal training, on an emulator.

    python benchmarks/thresholds.py benchmarks/mixers.parquet

Each search begins with the founders of the space and has `--trainings` full trainings' seconds of one worker, in
virtual time. A threshold is the loss of the first founder. What counts is the loss at the last rung without its noise,
and the hypervolume of what has a lower loss than this founder, in shares of what all searches of a seed have together.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from common import end, machine, print_table
from scipy.stats import wilcoxon

from hrfevo.algorithms.base import Proposal
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.base import Benchmark
from hrfevo.benchmark.loading import load_benchmark
from hrfevo.benchmark.simulation import simulate
from hrfevo.pareto import Hypervolume
from hrfevo.space.budget import Budget
from hrfevo.space.genome import canonical

PLAIN = "founders at the first rung"
# Whether founders begin at the last rung, whether there is a threshold, whether gains are per second.
SEARCHES = {
    PLAIN: (False, False, False),
    "founders at the last": (True, False, False),
    "a threshold": (True, True, False),
    "gains per second": (True, False, True),
    "both": (True, True, True),
}


def search(benchmark: Benchmark, seed: int, trainings: float, terms: tuple[bool, bool, bool]) -> np.ndarray:
    """Objectives of what one search measured at the last rung, (n, objectives)."""
    in_full, bounded, timed = terms
    last, (first, *_) = len(benchmark.space.rungs) - 1, benchmark.space.founders
    space = benchmark.space.model_copy(
        update={
            "thresholds": {"bits_per_byte": first} if bounded else {},
            "budget": Budget(training_minutes=1) if timed else Budget(evaluations=1),
        }
    )
    genomes = (canonical(space, values) for values in space.founders.values())
    founders = [Proposal(genome, "founder", rung=last if in_full else 0) for genome in genomes]
    algorithm = make_algorithm("evolution", space, np.random.SeedSequence(seed), founders=founders)
    seconds = trainings * benchmark.scale().full_training
    trace = simulate(benchmark, algorithm, workers=1, seconds=seconds, seed=seed)
    found = zip(trace.objectives, trace.rungs, strict=True)
    return np.array([objectives for objectives, rung in found if objectives is not None and rung == last])


def main() -> int:
    parser = argparse.ArgumentParser(description="What thresholds and gains per second are worth.")
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trainings", type=float, default=40)
    options = parser.parse_args()
    benchmark = load_benchmark(options.benchmark, [])
    losses: dict[str, list[float]] = {name: [] for name in SEARCHES}
    shares: dict[str, list[float]] = {name: [] for name in SEARCHES}
    for seed in range(options.seeds):
        points = {name: search(benchmark, seed, options.trainings, terms) for name, terms in SEARCHES.items()}
        limit = points["founders at the last"][0, 0]
        better = {name: of_one[of_one[:, 0] < limit] for name, of_one in points.items()}
        together = np.concatenate([*better.values()])
        scale = Hypervolume.around(together, margin=0.1).relative_to(together)
        for name, of_one in points.items():
            losses[name].append(float(of_one[:, 0].min()))
            shares[name].append(scale.of(better[name]))
    print(f"{machine('numpy', 'moocore')}; {options.seeds} seeds, {options.trainings:g} full trainings\n")
    rows = []
    for name in SEARCHES:
        other = name != PLAIN
        rows.append(
            [
                name,
                f"{np.mean(losses[name]):.4f}",
                f"{np.max(losses[name]):.4f}",
                f"{wilcoxon(losses[name], losses[PLAIN]).pvalue:.3f}" if other else "",
                f"{np.mean(shares[name]):.3f}",
                f"{wilcoxon(shares[name], shares[PLAIN]).pvalue:.3f}" if other else "",
            ]
        )
    print_table(["search", "mean best loss", "worst seed's", "p", "hypervolume below the founder's loss", "p"], rows)
    missed = [] if np.mean(losses["both"]) < np.mean(losses[PLAIN]) else ["both: the loss is no lower than without"]
    return end(missed)


if __name__ == "__main__":
    sys.exit(main())
