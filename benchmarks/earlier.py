"""What it is worth to know an earlier search: evaluations to the same loss, told of one or not, on an emulator.

    python benchmarks/earlier.py benchmarks/mixers.parquet

For each seed an earlier search, with another seed, ends after `--told` evaluations. One search is told all of its
results and begins with its best genome, which is trained again, as `hrfevo run --from` has it; one knows nothing. Both
go on for `--trainings` full trainings, one worker, in virtual time. What counts is the loss at the last rung without
its noise.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import end, machine, print_table

from hrfevo.algorithms.base import Algorithm, Proposal, Result
from hrfevo.algorithms.registry import make_algorithm
from hrfevo.benchmark.base import Benchmark
from hrfevo.benchmark.loading import load_benchmark
from hrfevo.benchmark.simulation import Trace, simulate

LOSS = "objectives={bits_per_byte: minimize}"
AFTER = (30, 40, 60, 80, 100)


class Heard:
    """An algorithm, and all that it was told."""

    def __init__(self, inner: Algorithm) -> None:
        self._inner, self.results = inner, list[Result]()

    def ask(self) -> Proposal | None:
        return self._inner.ask()

    def tell(self, results: Sequence[Result]) -> None:
        self.results += results
        self._inner.tell(results)

    def adopt(self, proposal: Proposal) -> Proposal:
        return self._inner.adopt(proposal)

    def promotable(self) -> Set[str]:
        return self._inner.promotable()


def search(benchmark: Benchmark, seed: int, trainings: float, known: Sequence[Result] = ()) -> tuple[Trace, Heard]:
    """One search, which begins with the best of what it knows."""
    last = len(benchmark.space.rungs) - 1
    tops = [r for r in known if r.objectives is not None and r.proposal.rung == last]
    best = sorted(tops, key=lambda result: result.objectives or ())[:1]
    founders = [replace(result.proposal, operator="founder", parents=()) for result in best]
    sequence = np.random.SeedSequence(seed)
    heard = Heard(make_algorithm("evolution", benchmark.space, sequence, founders=founders, known=known))
    seconds = trainings * benchmark.scale().full_training
    return simulate(benchmark, heard, workers=1, seconds=seconds, seed=seed), heard


def losses(trace: Trace, last: int) -> np.ndarray:
    """The best at the last rung after each evaluation, infinite before the first."""
    at_last = [
        found[0] if found is not None and rung == last else np.inf
        for found, rung in zip(trace.objectives, trace.rungs, strict=True)
    ]
    return np.minimum.accumulate(at_last)


def first_at(values: np.ndarray, target: float) -> float:
    """After how many evaluations a target is reached; infinite for never."""
    reached = np.flatnonzero(values <= target)
    return float(reached[0] + 1) if len(reached) else np.inf


def main() -> int:
    parser = argparse.ArgumentParser(description="What an earlier search is worth.")
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--told", type=int, default=60)
    parser.add_argument("--trainings", type=float, default=60)
    options = parser.parse_args()
    benchmark = load_benchmark(options.benchmark, [LOSS])
    last = len(benchmark.space.rungs) - 1
    plain, informed, earlier = [], [], []
    for seed in range(options.seeds):
        trace, _ = search(benchmark, seed, options.trainings)
        plain.append(losses(trace, last))
        before, heard = search(benchmark, 100 + seed, options.told / 2)
        earlier.append(losses(before, last)[options.told - 1])
        known = [replace(result, earlier=True) for result in heard.results[: options.told]]
        informed.append(losses(search(benchmark, seed, options.trainings, known)[0], last))
    print(f"{machine('numpy', 'scikit-learn', 'moocore')}; {options.seeds} seeds, told {options.told} evaluations\n")
    shortest = min(map(len, [*plain, *informed]))
    rows, missed = [], []
    for count in [count for count in (*AFTER, shortest) if count <= shortest]:
        target = float(np.median([one[count - 1] for one in plain]))
        reached = [first_at(one, target) for one in informed]
        known_loss = float(np.median([one[count - 1] for one in informed]))
        each = ", ".join(f"{evaluations:g}" for evaluations in reached)
        rows.append([count, f"{target:.4f}", f"{known_loss:.4f}", f"{np.median(reached):g}", each])
        if np.median(reached) > count:
            missed.append(f"{count} evaluations: a search that knows takes {np.median(reached):g} to the same loss")
    head = [
        "evaluations",
        "median loss, knowing nothing",
        "told of another",
        "evaluations to the former, told",
        "of each",
    ]
    print_table(head, rows)
    print(f"\nThe earlier searches had {float(np.median(earlier)):.4f} after {options.told} evaluations (median).")
    return end(missed)


if __name__ == "__main__":
    sys.exit(main())
