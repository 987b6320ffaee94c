"""How long the default algorithm thinks about a proposal when it has a long history.

    python benchmarks/proposals.py

The history is made up: random genomes, two thirds of which end at each rung, with smooth noisy scores. Then it is asked
and told a hundred times, four evaluations being in flight; the time of a proposal is that of asking and of telling.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from common import end, machine, print_table

from hrfevo.algorithms.base import Proposal, Result
from hrfevo.algorithms.evolution import Evolution
from hrfevo.algorithms.evolution.encoding import Encoding
from hrfevo.space.genome import sample
from hrfevo.space.reading import load_space
from hrfevo.space.search_space import SearchSpace

ROOT = Path(__file__).parent.parent
SPACES = ("benchmarks/tabular.yaml", "search_spaces/embeddings.yaml", "search_spaces/mixers.yaml")
MOST_MS, PROPOSALS, IN_FLIGHT = 20.0, 100, 4


class Scores:
    """A smooth function of the genome for each objective, with noise that falls from rung to rung."""

    def __init__(self, space: SearchSpace) -> None:
        self._space, self._encoding = space, Encoding(space)
        self._random = np.random.default_rng(1)
        self._weights: np.ndarray | None = None

    def __call__(self, proposal: Proposal) -> Result:
        vector = self._encoding([proposal.genome])[0]
        if self._weights is None:
            self._weights = np.random.default_rng(5).standard_normal((len(self._space.objectives), len(vector)))
        noise = self._random.standard_normal(len(self._weights)) / (10 + 10 * proposal.rung)
        values = self._weights @ vector + ((vector - 0.5) ** 2).sum() + noise - 0.2 * proposal.rung
        margins = self._space.margins({"parameters": 2e5 + 1e5 * float(values[0])})
        return Result(proposal, tuple(values.tolist()), margins)


def milliseconds(space: SearchSpace, evaluations: int) -> np.ndarray:
    """Of each of the proposals after a history of so many evaluations."""
    algorithm, scores, random = Evolution(space, np.random.default_rng(0)), Scores(space), np.random.default_rng(2)
    told = 0
    while told < evaluations:
        genome = sample(space, random)
        algorithm.adopt(Proposal(genome, "founder"))
        for rung in range(min(len(space.rungs), int(random.geometric(2 / 3)))):
            algorithm.tell([scores(Proposal(genome, "founder", rung=rung))])
            told += 1
    flying: list[Proposal] = []
    times = []
    while len(times) < PROPOSALS:
        began = time.perf_counter()
        if len(flying) == IN_FLIGHT:
            algorithm.tell([scores(flying.pop(0))])
        proposal = algorithm.ask()
        times.append(1000 * (time.perf_counter() - began))
        assert proposal is not None
        flying.append(proposal)
    return np.array(times)


def main() -> int:
    parser = argparse.ArgumentParser(description="How long a proposal takes.")
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--no-check", action="store_true")
    options = parser.parse_args()
    print(
        f"{machine('scikit-learn', 'moocore', 'deap', 'numpy')}; {options.evaluations:,} evaluations in the history\n"
    )
    rows, missed = [], []
    for path in SPACES:
        space, _ = load_space(ROOT / path)
        times = milliseconds(space, options.evaluations)
        rows.append([path, f"{times.mean():.1f}", f"{np.median(times):.1f}", f"{times.max():.1f}"])
        if times.mean() > MOST_MS:
            missed.append(f"{path}: {times.mean():.1f} ms per proposal; the bar is {MOST_MS:g}")
    print_table(["space", "ms per proposal: mean", "median", "longest"], rows)
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
