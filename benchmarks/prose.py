"""Do harmonic layers gain more on technical text and code than on prose, beside attention?

    python benchmarks/prose.py PROSE.txt [--output runs/prose] [--steps 500] [--evaluations 6] [--seeds 5]

Two models of two layers each, harmonic and attention, on two texts: sources and documentation of the running Python,
and the file. All else is one: width, feed-forward layers, bytes, context, training. On each text the rates of each
model are tuned by `--evaluations` trainings, and the best is trained with fresh seeds (`hrfevo compare --equal
evaluations`). What was trained is kept in the folder, where a later call goes on.

The gain is the loss of attention less that of harmonic layers, as a share of the former. Its interval is that of
Student's t over seeds, which both models share; that of the difference between texts is Welch's, since trainings on two
texts share nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, print_table
from scipy import stats

MIXERS: dict[str, dict[str, Any]] = {
    "harmonic": {"kind": "harmonic", "bases": 16, "timescales": [1.0, 256.0], "short_convolution": 4},
    "attention": {"kind": "attention", "heads": 4, "short_convolution": 4},
}
SPLITS = ("validation", "test")


def recipe(mixer: dict[str, Any], corpus: Any, steps: int) -> dict[str, Any]:
    """One of the models on one of the texts, before its rates are tuned."""
    return {
        "corpus": corpus,
        "model": {"vocab_size": 256, "context": 256, "width": 96, "layers": [{"mixer": mixer}] * 2},
        "training": {"steps": steps, "batch_size": 8, "learning_rate": 5e-3, "validation_tokens": 65536},
    }


def gains(asked: argparse.Namespace, name: str, corpus: Any) -> list[np.ndarray]:
    """Train both models on a text: by how much less the harmonic one loses, by seed, on validation and on test."""
    from hrfevo.runner.ending import Ending
    from hrfevo.runner.machinery import Machinery
    from hrfevo.runner.match import Side, play
    from hrfevo.runner.terms import Terms
    from signal_model.config import Recipe
    from signal_model.support.console import new_console

    harmonic, attention = (
        Side(kind, Recipe.model_validate(recipe(mixer, corpus, asked.steps))) for kind, mixer in MIXERS.items()
    )
    terms = Terms("evaluations", asked.steps, asked.seeds, asked.evaluations)
    found = play((harmonic, attention), terms, asked.output / name, Machinery(asked.backend), new_console())
    if isinstance(found, Ending):
        sys.exit(f"{asked.output / name}: {found.state}; the same command goes on with it")
    first, second = found.sides
    print(f"{name}: harmonic {first.mean:.4f} ± {first.spread:.4f} ({first.parameters:,} parameters), ", end="")
    print(f"attention {second.mean:.4f} ± {second.spread:.4f} ({second.parameters:,})", flush=True)
    shares = []
    for split in SPLITS:
        ours, theirs = (dict(zip(one.seeds, getattr(one, split), strict=True)) for one in found.sides)
        shares.append(np.array([1 - ours[seed] / theirs[seed] for seed in ours if seed in theirs]))
    return shares


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval of shares."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    return f"{values.mean():+.1%} ({low:+.1%} to {high:+.1%})"


def main() -> int:
    parser = argparse.ArgumentParser(description="Gains of harmonic layers on code and on prose.")
    parser.add_argument("prose", type=Path, help="a file of text")
    parser.add_argument("--output", type=Path, default=Path("runs/prose"))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--evaluations", type=int, default=6, help="trainings that tune each model on each text")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--backend", choices=("ray", "inline"), default="ray")
    asked = parser.parse_args()
    code, prose = (
        gains(asked, "code", "python"),
        gains(asked, "prose", {"path": str(asked.prose.resolve()), "split": "position"}),
    )
    print(f"\n{machine('torch')}; {asked.steps} steps, {asked.seeds} seeds\n")
    rows = []
    for split, ours, theirs in zip(SPLITS, code, prose, strict=True):
        test = stats.ttest_ind(ours, theirs, equal_var=False)
        low, high = test.confidence_interval()
        between = f"{ours.mean() - theirs.mean():+.1%} ({low:+.1%} to {high:+.1%})"
        rows.append([split, interval(ours), interval(theirs), between])
    print_table(["", "gain on code", "gain on prose", "difference"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
