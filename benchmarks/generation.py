"""Generation, one token at a time: what it computes and what a token costs, from the first to the 16,384th.

For every mixer a model of four layers of it (width 128): the largest difference between the logits of the recurrent
form and those of the parallel form over a sequence of 1,024 tokens in float32, and the time of a step of the
recurrent form in the first and in the last 1,024 of 16,384 tokens. On one core. `fourier_attention`, like attention,
keeps all of the past; the two stand here for comparison.

Ends with exit code 1 if a bar is missed (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import torch
from common import end, machine, print_table
from torch import Tensor

from signal_model.config import ModelConfig
from signal_model.model import SignalLLM, build_model

LARGEST_DIFFERENCE = 1e-4
FLAT = 1.2  # the last tokens may take this many times what the first ones do: a clock's noise, not growth
SPAN = 1024

MIXERS = {
    "harmonic": {"mixer": {"kind": "harmonic", "bases": 16}},
    "wavelet": {"mixer": {"kind": "wavelet", "families": ["db2"], "levels": 5}},
    "attention, window of 128": {"mixer": {"kind": "attention", "window": 128}},
    "filter bank before attention, window of 128": {
        "filter_bank": {"kind": "learned"},
        "mixer": {"kind": "attention", "window": 128},
    },
    "attention": {"mixer": {"kind": "attention"}},
    "fourier_attention": {"mixer": {"kind": "fourier_attention"}},
}
GROWS = ("attention", "fourier_attention")


def build(layer: dict[str, object]) -> SignalLLM:
    return build_model(ModelConfig.model_validate({"context": SPAN, "layers": [layer] * 4}), 0).eval()


def largest_difference(model: SignalLLM) -> float:
    tokens = torch.randint(256, (1, SPAN), generator=torch.Generator().manual_seed(0))
    states = model.start(1)
    outputs: list[Tensor] = []
    for position in range(SPAN):
        logits, states = model.step(tokens[:, position], states)
        outputs.append(logits)
    return float((torch.stack(outputs, 1) - model(tokens)).abs().max())


def step_times(model: SignalLLM, tokens: int) -> tuple[float, float, int, int]:
    """Median milliseconds of a step in the first and the last span, and the numbers held after each."""
    token = torch.zeros(1, dtype=torch.long)
    states, times, held = model.start(1), [], []
    for position in range(tokens):
        started = time.perf_counter()
        _, states = model.step(token, states)
        times.append(time.perf_counter() - started)
        if position in (0, tokens - 1):
            held.append(sum(tensor.numel() for state in states for tensor in state))
    first, last = (1000 * statistics.median(span) for span in (times[:SPAN], times[-SPAN:]))
    return first, last, held[0], held[1]


@torch.no_grad()
def main() -> int:
    parser = argparse.ArgumentParser(description="Recurrent generation.")
    parser.add_argument("--tokens", type=int, default=16384, help="(%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine("torch") + "; one core\n", flush=True)
    rows, missed = [], []
    for name, layer in MIXERS.items():
        model = build(layer)
        difference = largest_difference(model)
        first, last, held_first, held_last = step_times(model, options.tokens)
        rows.append(
            [
                name,
                f"{difference:.1e}",
                f"{first:.2f}",
                f"{last:.2f}",
                f"{last / first:.2f}",
                f"{held_first:,} → {held_last:,}",
            ]
        )
        print(name, file=sys.stderr)
        if difference > LARGEST_DIFFERENCE:
            missed.append(f"{name}: the two forms differ by {difference:.1e}")
        if name not in GROWS and (last > FLAT * first or held_last != held_first):
            missed.append(f"{name}: a token costs {last / first:.2f} times as much at the end, state {held_last:,}")
    print_table(
        [
            "layers",
            "recurrent − parallel, largest of the logits",
            f"ms per token, first {SPAN:,}",
            f"last {SPAN:,} of {options.tokens:,}",
            "ratio",
            "numbers held",
        ],
        rows,
    )
    return end(missed, not options.no_check)


if __name__ == "__main__":
    sys.exit(main())
