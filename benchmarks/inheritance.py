"""Whether a short training that begins with a parent's weights says more of a long one from nothing than a short one
from nothing does.

    python benchmarks/inheritance.py

Random genomes of `search_spaces/mixers.yaml` are trained to the last rung, and a mutant of each: to every rung from
nothing, and to the lower ones from its parent's weights, as `inherit: true` has it (LEMONADE, Elsken et al. 2019). What
counts is how a lower rung orders mutants as the last does, from nothing (Kendall's τ). Batches and the validation text
are as small as in the survey behind `benchmarks/mixers.parquet`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import end, machine, print_table
from scipy.stats import kendalltau

from hrfevo.algorithms.breeding.variation import Variation
from hrfevo.space.genome import Genome, sample
from hrfevo.space.reading import load_space
from hrfevo.workers.base import INHERITED, Job
from hrfevo.workers.evaluation import TrainingEvaluator
from signal_model.data.corpus import load_corpus

SPACE = Path(__file__).parent.parent / "search_spaces" / "mixers.yaml"
SMALL = ("rungs=[13, 40, 120]", "training.batch_size=4", "training.validation_tokens=8192", "inherit=true")
DRAWS = 2000


class Pairs:
    """Losses of mutants, from nothing and from a parent's weights, and what share of their weights that is."""

    def __init__(self, evaluator: TrainingEvaluator, folder: Path) -> None:
        self._evaluator, self._folder = evaluator, folder
        self.from_nothing: list[list[float]] = []
        self.inherited: list[list[float]] = []
        self.shares: list[float] = []

    def add(self, parent: Genome, child: Genome, seed: int) -> bool:
        """False if one of their trainings has no result."""
        last = len(self._evaluator.space.rungs) - 1
        kept = str(self._folder / f"parent-{seed}")
        if self._loss(Job(0, parent, last, seed, checkpoint=kept)) is None:
            return False
        alone = [self._loss(Job(0, child, rung, seed)) for rung in range(last + 1)]
        with_weights = [self._loss(Job(0, child, rung, seed, parent=kept)) for rung in range(last)]
        if None in alone or None in with_weights:
            return False
        self.from_nothing.append([loss for loss in alone if loss is not None])
        self.inherited.append([loss for loss in with_weights if loss is not None])
        self.shares.append(self._share)
        return True

    def _loss(self, job: Job) -> float | None:
        outcome = self._evaluator(job)
        self._share = outcome.metrics.get(INHERITED, 0.0)
        return outcome.metrics["bits_per_byte"] if outcome.status == "finished" else None


def agreement(losses: np.ndarray, last: np.ndarray) -> str:
    """Kendall's τ and its 95 % interval, by bootstrap over mutants."""
    random = np.random.default_rng(0)
    draws = random.integers(len(last), size=(DRAWS, len(last)))
    low, high = np.nanquantile([kendalltau(losses[draw], last[draw]).statistic for draw in draws], [0.025, 0.975])
    return f"{kendalltau(losses, last).statistic:.2f} ({low:.2f} to {high:.2f})"


def main() -> int:
    parser = argparse.ArgumentParser(description="What weights of a parent say of a genome.")
    parser.add_argument("--pairs", type=int, default=32)
    options = parser.parse_args()
    space, _ = load_space(SPACE, SMALL)
    random = np.random.default_rng(0)
    variation = Variation(space, random)
    with tempfile.TemporaryDirectory() as folder:
        pairs = Pairs(TrainingEvaluator(space, load_corpus(space.corpus, space.tokenizer), "cpu"), Path(folder))
        seed = 0
        while len(pairs.shares) < options.pairs:
            parent = sample(space, random)
            pairs.add(parent, variation.mutate(parent), seed)
            seed += 1
    print(f"{machine('torch', 'numpy')}; {options.pairs} pairs of {seed} that were tried\n")
    alone, inherited = np.array(pairs.from_nothing), np.array(pairs.inherited)
    rows = [
        [steps, agreement(alone[:, rung], alone[:, -1]), agreement(inherited[:, rung], alone[:, -1])]
        for rung, steps in enumerate(space.rungs[:-1])
    ]
    print_table(["steps", "τ with the last rung: from nothing", "from the parent's weights"], rows)
    print(f"\nThe share of weights that are the parent's: median {np.median(pairs.shares):.0%}")
    return end([])


if __name__ == "__main__":
    sys.exit(main())
