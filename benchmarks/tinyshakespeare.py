"""nanoGPT's small-CPU recipe on tinyshakespeare: SignalLLM and transformers, each tuned by the same sweep.

Characters (65), the first 90 % of the text for training and the last 10 % for validation, context 64, batches of 12
windows, 2,000 steps, no dropout, at most nanoGPT's 804,096 parameters (4 layers, 4 heads, width 128). nanoGPT itself
publishes 1.88 nats per character for it (its readme); a repetition gave 1.886.

- SignalLLM: four layers of harmonic mixers (16 damped harmonics, short convolution on q, k, v) and squared-ReLU
  networks, slightly narrower than four times the width, to keep to the parameters.
- Transformer: the same with causal attention, rotary positions, query-key normalisation, and the same short
  convolution.
- Plain transformer: without the short convolution. With a filter bank before every layer (arXiv 2406.10254) and a
  narrower network, at no more parameters, it tests that paper's claim.

All get the same sweep (1,000 steps, a seed of its own) and are then trained with their best setting from three other
seeds. The score is the mean over all of the validation text in windows of 64, each from its first character, as
training sees it. Steps are timed apart, in turn, on one core.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import end, machine, print_table

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.data.corpus import Corpus
from signal_model.model import build_model, count_parameters
from signal_model.training.trainer import Trainer, validate

NANOGPT = 1.886  # nats per character at step 2,000, repeated
MOST_PARAMETERS = 804_096
BEST_LOSS, BEST_STEPS, SLOWEST = 1.60, 650, 1.5  # the bars

STEPS, SWEEP_STEPS = 2000, 1000
SWEEP_SEED, SEEDS = 100, (0, 1, 2)
STOPS = (*range(250, 651, 50), *range(700, STEPS + 1, 100))
CPU = torch.device("cpu")

MODELS: dict[str, dict[str, Any]] = {
    "SignalLLM": {
        "layers": [
            {
                "mixer": {"kind": "harmonic", "bases": 16, "frequencies": [0.002, 0.5], "timescales": [1, 64]},
                "feedforward": {"kind": "mlp", "expansion": 3.8},
            }
        ]
        * 4
    },
    "transformer": {"layers": [{"mixer": {"kind": "attention", "heads": 4, "short_convolution": 4}}] * 4},
    "plain transformer": {"layers": [{"mixer": {"kind": "attention", "heads": 4}}] * 4},
    "plain transformer with filter banks": {
        "layers": [
            {
                "filter_bank": {"kind": "learned", "filters": 16, "scales": 3, "taps": 8},
                "mixer": {"kind": "attention", "heads": 4},
                "feedforward": {"kind": "mlp", "expansion": 3.8},
            }
        ]
        * 4
    },
}
SETTINGS: dict[str, dict[str, Any]] = {
    "AdamW 0.004": {"learning_rate": 4e-3},
    **{
        f"Muon {rate:g}": {"learning_rate": 4e-3, "optimizer": {"kind": "muon", "learning_rate": rate}}
        for rate in (0.01, 0.02, 0.04)
    },
}


class Characters:
    """Tokens are the characters that occur."""

    end_of_text = 0

    def __init__(self, text: str) -> None:
        self.characters = sorted(set(text))
        self.vocab_size = len(self.characters)
        self.byte_lengths = np.ones(self.vocab_size, np.int64)

    def encode(self, text: str) -> np.ndarray:
        number = {character: index for index, character in enumerate(self.characters)}
        return np.array([number[character] for character in text], np.uint8)

    def decode(self, tokens: Any) -> str:
        return "".join(self.characters[int(token)] for token in tokens)

    def to_json(self) -> str:
        raise NotImplementedError


def load(path: Path) -> Corpus:
    """nanoGPT's split of the file."""
    text = path.read_text()
    tokenizer = Characters(text)
    tokens = tokenizer.encode(text)
    cut = int(0.9 * len(tokens))
    return Corpus(path.name, "", tokenizer, tokens[:cut], tokens[cut:], tokens[:0])


@dataclass(frozen=True)
class Run:
    """One training: which model, with what settings, from which seed, up to which step."""

    path: Path
    model: str
    setting: str
    seed: int

    def trainer(self) -> tuple[Trainer, Corpus]:
        corpus = load(self.path)
        config = ModelConfig.model_validate(MODELS[self.model] | {"vocab_size": 65, "context": 64, "width": 128})
        training = TrainingConfig.model_validate(
            {
                "steps": SWEEP_STEPS if self.seed == SWEEP_SEED else STEPS,
                "batch_size": 12,
                "betas": (0.9, 0.99),
                "seed": self.seed,
                "validation_tokens": 10**6,
            }
            | SETTINGS[self.setting]
        )
        return Trainer(build_model(config, self.seed), corpus, training, CPU), corpus


def losses(run: Run) -> tuple[Run, dict[int, float]]:
    """Validation loss in nats per character at each of the stops."""
    torch.set_num_threads(1)
    trainer, corpus = run.trainer()
    assert count_parameters(trainer.model) <= MOST_PARAMETERS
    found = {}
    for stop in STOPS if run.seed != SWEEP_SEED else [SWEEP_STEPS]:
        trainer.run(until=stop)
        found[stop] = validate(trainer.model, corpus, trainer.config, CPU).nats_per_token
    print(f"{run.model}, {run.setting}, seed {run.seed}: {found[stop]:.4f}", file=sys.stderr)
    return run, found


def step_milliseconds(path: Path, best: dict[str, str], rounds: int = 20, steps: int = 20) -> dict[str, float]:
    """Median step, the models in turn, on one core."""
    torch.set_num_threads(1)
    trainers = {name: Run(path, name, best[name], 0).trainer()[0] for name in MODELS}
    pace: dict[str, list[float]] = {name: [] for name in MODELS}
    for number in range(rounds):
        for name, trainer in trainers.items():
            before = trainer.seconds
            trainer.run(until=(number + 1) * steps)
            pace[name].append(1000 * (trainer.seconds - before) / steps)
    return {name: statistics.median(values[1:]) for name, values in pace.items()}


def first_at(curve: dict[int, float], loss: float) -> int | None:
    """The first step at which a loss was measured that is no greater."""
    return min((step for step, value in curve.items() if value <= loss), default=None)


def main() -> int:
    parser = argparse.ArgumentParser(description="nanoGPT's small-CPU recipe.")
    parser.add_argument("corpus", type=Path, help="tinyshakespeare.txt")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, one core each (%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    print(machine("torch", "numpy") + "; one core per training\n", flush=True)
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        sweep = pool.map(losses, [Run(options.corpus, m, s, SWEEP_SEED) for m in MODELS for s in SETTINGS], chunksize=1)
        best = {
            name: min((found[SWEEP_STEPS], run.setting) for run, found in sweep if run.model == name)[1]
            for name in MODELS
        }
        final = pool.map(losses, [Run(options.corpus, m, best[m], seed) for m in MODELS for seed in SEEDS], chunksize=1)
    pace = step_milliseconds(options.corpus, best)

    rows, missed = [], []
    curves = {name: [found for run, found in final if run.model == name] for name in MODELS}
    last = {name: [curve[STEPS] for curve in curves[name]] for name in MODELS}
    for name in MODELS:
        reached = [first_at(curve, NANOGPT) for curve in curves[name]]
        of_plain = [first_at(curve, statistics.mean(last["plain transformer"])) for curve in curves[name]]
        swept = " ".join(f"{found[SWEEP_STEPS]:.3f}" for run, found in sweep if run.model == name)
        rows.append(
            [
                name,
                f"{count_parameters(Run(options.corpus, name, best[name], 0).trainer()[0].model):,}",
                best[name],
                f"{statistics.mean(last[name]):.4f} ({min(last[name]):.4f}–{max(last[name]):.4f})",
                "/".join(map(str, reached)),
                "/".join(map(str, of_plain)),
                f"{pace[name]:.1f} ({pace[name] / pace['transformer']:.2f})",
                swept,
            ]
        )
        if name == "SignalLLM":
            if statistics.mean(last[name]) > BEST_LOSS:
                missed.append(f"loss at step {STEPS} is {statistics.mean(last[name]):.4f}; the bar is {BEST_LOSS}")
            if any(step is None or step > BEST_STEPS for step in reached):
                missed.append(f"{NANOGPT} is reached at steps {reached}; the bar is {BEST_STEPS}")
            if pace[name] > SLOWEST * pace["transformer"]:
                missed.append(f"a step takes {pace[name] / pace['transformer']:.2f} times the transformer's")
    head = [
        "model",
        "parameters",
        "best of sweep",
        f"nats per character at {STEPS:,}: mean (least–most)",
        f"steps to {NANOGPT}",
        "steps to the plain transformer's last",
        "ms per step (ratio)",
        f"sweep: {', '.join(SETTINGS)}",
    ]
    print_table(head, rows)
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
