"""A training step at a long context: time and memory of whole models, beside attention with and without a window.

    python benchmarks/long_context.py

Four layers of each mixer, width 128, bytes, one window of text: forward, loss, backward and a step of AdamW. One core,
float32. Time is processor time, the least of `--steps` that take turns after one that does not count. Memory is what
two steps add to the resident set of a process of its own that holds the model, weights of the optimiser included.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
from common import machine, print_table

from signal_model.config import ModelConfig, TrainingConfig
from signal_model.model import build_model
from signal_model.training.optimizers import build_optimizers

MIXERS: dict[str, dict[str, Any]] = {
    "attention": {"kind": "attention"},
    "attention, window of 512": {"kind": "attention", "window": 512},
    "harmonic": {"kind": "harmonic"},
    "selective": {"kind": "selective"},
    "wavelet": {"kind": "wavelet"},
    "fourier_attention": {"kind": "fourier_attention"},
    "gated_linear": {"kind": "gated_linear"},
    "gated_delta": {"kind": "gated_delta"},
}


def step_of(mixer: dict[str, Any], length: int) -> Callable[[], None]:
    """A function that makes one step of training."""
    config = ModelConfig.model_validate({"context": length, "width": 128, "layers": [{"mixer": mixer}] * 4})
    model = build_model(config, 0)
    optimizers = build_optimizers(model, TrainingConfig())
    tokens = torch.randint(256, (1, length + 1), generator=torch.Generator().manual_seed(0))

    def step() -> None:
        model(tokens[:, :-1], tokens[:, 1:]).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    return step


def _memory(pipe: Connection, mixer: dict[str, Any], length: int) -> None:
    torch.set_num_threads(1)
    step_of(mixer, 512)()  # code and tables that are loaded once
    step = step_of(mixer, length)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    step()
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def added_memory(mixer: dict[str, Any], length: int) -> float:
    """MB that steps add to what a process of its own holds."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_memory, args=(sender, mixer, length))
    process.start()
    sender.close()
    added: int = receiver.recv()
    process.join()
    return added / (2**20 if sys.platform == "darwin" else 2**10)


def milliseconds(steps: dict[str, Callable[[], None]], turns: int) -> dict[str, float]:
    """The least processor time of a step of each."""
    found: dict[str, float] = {}
    for turn in range(turns + 1):
        for name, step in steps.items():
            before = time.process_time()
            step()
            if turn:
                found[name] = min(found.get(name, float("inf")), 1000 * (time.process_time() - before))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="A training step at a long context.")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 4096, 16384], help="(%(default)s)")
    parser.add_argument("--steps", type=int, default=2, help="that count, of each (%(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine("torch") + "; one core, one window, width 128, 4 layers", flush=True)
    # First: on Linux the high-water mark of a new process begins at that of the one that started it.
    megabytes = {
        (name, length): added_memory(mixer, length) for length in options.lengths for name, mixer in MIXERS.items()
    }
    for length in options.lengths:
        times = milliseconds({name: step_of(mixer, length) for name, mixer in MIXERS.items()}, options.steps)
        rows = []
        for name in MIXERS:
            ratio = times["attention"] / times[name]
            rows.append([name, f"{times[name]:,.0f}", f"{ratio:.2f}", f"{megabytes[name, length]:,.0f}"])
        print(f"\n{length:,} tokens\n")
        print_table(["layers", "ms per step", "× attention's speed", "MB added"], rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
