"""What fixed and selective kernels can do: recall in context and copying of chosen tokens, and what they cost.

    python benchmarks/recall.py

Two layers of each mixer are trained on the synthetic tasks of `signal_model.training.probes` from scratch, on the same
sequences for each seed; a guess is right for 1 in 16 (recall) or 1 in 30 (copying). The last column is the time of a
step of the same layers on 12 windows of 128 bytes, steps of all mixers in turns, the least of them.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import torch
from common import machine, print_table

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.model import SignalLLM, build_model
from signal_model.training.optimizers import build_optimizers
from signal_model.training.probes import Probe, probe

TASKS: tuple[Probe, ...] = ("in_context_recall", "selective_copying")
MIXERS: dict[str, dict[str, Any]] = {
    "harmonic": {"kind": "harmonic"},
    "attention": {"kind": "attention"},
    "selective": {"kind": "selective"},
    "selective, decay alone": {"kind": "selective", "select_phase": False},
    "selective, phase alone": {"kind": "selective", "select_decay": False},
    "selective, no biases": {"kind": "selective", "bias": False},
    "gated linear": {"kind": "gated_linear"},
    "gated delta": {"kind": "gated_delta"},
}


def config_of(mixer: dict[str, Any]) -> ModelConfig:
    return ModelConfig.model_validate({"context": 128, "width": 64, "layers": [{"mixer": mixer}] * 2})


def step(model: SignalLLM, optimizers: list[torch.optim.Optimizer], tokens: torch.Tensor) -> float:
    """Milliseconds of one step of training."""
    started = time.perf_counter()
    model(tokens[:, :-1], tokens[:, 1:]).backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return 1000 * (time.perf_counter() - started)


def step_times(names: list[str], turns: int = 20) -> dict[str, float]:
    tokens = torch.randint(256, (12, 129), generator=torch.Generator().manual_seed(0))
    models = {name: build_model(config_of(MIXERS[name]), 0) for name in names}
    learners = {name: (model, build_optimizers(model, TrainingConfig())) for name, model in models.items()}
    rounds = [{name: step(*learner, tokens) for name, learner in learners.items()} for _ in range(turns)]
    return {name: min(times[name] for times in rounds) for name in names}


def main() -> int:
    parser = argparse.ArgumentParser(description="Recall and copying, by mixer.")
    parser.add_argument("--mixers", default=";".join(MIXERS), help="names, separated by ;")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine('torch')}; one thread; {options.steps} steps\n")
    names, device = options.mixers.split(";"), torch.device("cpu")
    times = step_times(names)
    rows = []
    for name in names:
        cells = []
        for task in TASKS:
            scores = [
                probe(task, config_of(MIXERS[name]), TrainingConfig(seed=seed), device, options.steps)
                for seed in range(options.seeds)
            ]
            cells.append(f"{statistics.mean(scores):.2f} ({', '.join(f'{score:.2f}' for score in scores)})")
        rows.append([name, *cells, f"{times[name]:.1f}"])
        print(name, file=sys.stderr)
    print_table(["mixer", "recall, right answers", "copying", "ms per step"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
