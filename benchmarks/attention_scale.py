"""How sharply attention should look at the start: the largest logit, over sizes of heads.

    python benchmarks/attention_scale.py

Three layers of width 96 with normalised queries and keys and a learned scale per head train for 240 steps on the
built-in corpus, as bytes. A row without a start is attention without a learned scale, whose logits keep within the
root of the size of a head. All starts train on the same windows from the same weights.
"""

from __future__ import annotations

import argparse
import math
import sys

import torch
from common import machine, print_table

from signal_model.config import Recipe
from signal_model.data.corpus import load_corpus
from signal_model.layers.mixers.attention import AttentionMixer
from signal_model.model import SignalLLM, build_model
from signal_model.training.trainer import train, validate

WIDTH = 96


def recipe(heads: int, seed: int, steps: int) -> Recipe:
    return Recipe.model_validate(
        {
            "model": {"context": 128, "width": WIDTH, "layers": [{"mixer": {"kind": "attention", "heads": heads}}] * 3},
            "training": {
                "steps": steps, "seed": seed, "batch_size": 12, "learning_rate": 6e-3, "validation_tokens": 32768,
            },
            "corpus": "python",
            "tokenizer": "bytes",
        }
    )  # fmt: skip


def started(model: SignalLLM, logit: float | None, channels: int) -> SignalLLM:
    """The model, its largest logits at the start as asked; None leaves the scale out."""
    for mixer in model.modules():
        if isinstance(mixer, AttentionMixer):
            start = 0.0 if logit is None else math.log(logit / math.sqrt(channels))
            torch.nn.init.constant_(mixer.log_scale, start)
            mixer.log_scale.requires_grad_(logit is not None)
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description="How sharply attention should look at the start.")
    parser.add_argument("--heads", default="8,4,1")
    parser.add_argument("--starts", default="5,10,20")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=240)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine('torch')}; one thread\n")
    first = recipe(1, 0, 1)
    corpus, device = load_corpus(first.corpus, first.tokenizer), torch.device("cpu")
    rows = []
    for heads in map(int, options.heads.split(",")):
        for logit in (None, *map(float, options.starts.split(","))):
            scores = []
            for seed in range(options.seeds):
                asked = recipe(heads, seed, options.steps)
                model = started(build_model(asked.model, seed), logit, WIDTH // heads)
                train(model, corpus, asked.training, device)
                scores.append(f"{validate(model, corpus, asked.training, device).bits_per_byte:.3f}")
            rows.append([f"{heads} of {WIDTH // heads}", "none" if logit is None else f"{logit:g}", *scores])
    print_table(["heads", "largest logit at the start", *(f"seed {seed}" for seed in range(options.seeds))], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
