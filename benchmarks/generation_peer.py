"""A generated token, beside the GPT-2 of `transformers` (extra `transformers`).

    python benchmarks/generation_peer.py

GPT-2 with its cache of keys and values, four layers of width 128 with four heads, dropout off, is asked for one token
after another behind 64 and behind 1,024 tokens of context, batch size 1, by its `forward`: what `generate` adds is left
out on both sides. Beside it the same sizes of each mixer here, by `step`; attention is its twin but for positions.
Before that the context is read at once. Steps of all models are taken in turns, on one core; medians.

Ends with exit code 1 if attention here takes longer than GPT-2 (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from common import end, machine, print_table
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from signal_model.config import ModelConfig
from signal_model.model import build_model, count_parameters

CONTEXTS = (64, 1024)
LAYERS, WIDTH, HEADS, VOCABULARY = 4, 128, 4, 256
GPT2 = "transformers' GPT-2"
MIXERS = {
    "attention": {"mixer": {"kind": "attention", "heads": HEADS}},
    "attention, window of 128": {"mixer": {"kind": "attention", "heads": HEADS, "window": 128}},
    "harmonic": {"mixer": {"kind": "harmonic"}},
    "selective": {"mixer": {"kind": "selective"}},
    "wavelet": {"mixer": {"kind": "wavelet"}},
    "fourier_attention": {"mixer": {"kind": "fourier_attention"}},
    "gated_linear": {"mixer": {"kind": "gated_linear"}},
    "gated_delta": {"mixer": {"kind": "gated_delta"}},
}
# Given the past, a function that takes one token further and returns the milliseconds that this took.
Start = Callable[[Tensor], Callable[[Tensor], float]]


def gpt2() -> tuple[Start, int]:
    """GPT-2 of random weights, and its parameters."""
    positions = max(CONTEXTS) + 64
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=positions,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config).eval()

    def start(past: Tensor) -> Callable[[Tensor], float]:
        cache = model(past).past_key_values

        def step(token: Tensor) -> float:
            started = time.perf_counter()
            model(token[:, None], past_key_values=cache)  # which grows in place
            return 1000 * (time.perf_counter() - started)

        return step

    return start, count_parameters(model)


def ours(layer: dict[str, object]) -> tuple[Start, int]:
    """A model of four such layers, and its parameters."""
    layers = [{"feedforward": {"kind": "mlp", "expansion": 4}, **layer}] * LAYERS
    context = max(CONTEXTS) + 64
    config = ModelConfig.model_validate(
        {"context": context, "width": WIDTH, "vocab_size": VOCABULARY, "layers": layers}
    )
    model = build_model(config, 0).eval()

    def start(past: Tensor) -> Callable[[Tensor], float]:
        _, states = model.prefill(past)

        def step(token: Tensor) -> float:
            nonlocal states
            started = time.perf_counter()
            _, states = model.step(token, states)
            return 1000 * (time.perf_counter() - started)

        return step

    return start, count_parameters(model)


@torch.no_grad()
def main() -> int:
    parser = argparse.ArgumentParser(description="A generated token beside transformers' GPT-2.")
    parser.add_argument("--tokens", type=int, default=48, help="to generate behind each context (%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine("torch", "transformers") + "; one core\n", flush=True)
    models = {GPT2: gpt2(), **{name: ours(layer) for name, layer in MIXERS.items()}}
    medians: dict[int, dict[str, float]] = {}
    for context in CONTEXTS:
        past = torch.randint(VOCABULARY, (1, context), generator=torch.Generator().manual_seed(0))
        steps = {name: start(past) for name, (start, _) in models.items()}
        token = past[:, -1]
        turns = [{name: step(token) for name, step in steps.items()} for _ in range(options.tokens)]
        medians[context] = {name: statistics.median(turn[name] for turn in turns[4:]) for name in models}
    rows = []
    for name, (_, parameters) in models.items():
        row: list[str] = [name, f"{parameters:,}"]
        for context in CONTEXTS:
            row += [f"{medians[context][name]:.2f}", f"{medians[context][GPT2] / medians[context][name]:.2f}"]
        rows.append(row)
    heads = [part for context in CONTEXTS for part in (f"ms per token at {context:,}", "× GPT-2's speed")]
    print_table(["model", "parameters", *heads], rows)
    missed = [
        f"attention at {context:,} tokens is slower than GPT-2"
        for context in CONTEXTS
        if medians[context]["attention"] > medians[context][GPT2]
    ]
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
