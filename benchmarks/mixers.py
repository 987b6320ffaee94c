"""How long mixers take, and how much memory, beside causal softmax attention, as sequences grow.

Forward and backward pass, one core (`torch.set_num_threads(1)`), float32. Everything that a mixer does counts – its
kernel, short convolutions, gates, norms, rotary positions – except the D × D projections before and after, which all
mixers need alike: the first is replaced by its result, computed in advance, the second by nothing. Attention, the
measure of all, is bare: `F.scaled_dot_product_attention(is_causal=True)` on contiguous q, k, v of 4 heads, with no
norm and no positions; torch's fused kernel for CPUs, which `--backends` compares with its other form.

Time is processor time of the process (one thread, so that other processes disturb it less), the least (and the
median) of repetitions that take turns, two at least after one that does not count. Memory is what the pass adds to the
resident set: each measurement forks a process that creates the inputs, reads its high-water mark, makes one pass and
reads the mark again. The exponent is the slope of a straight line through log time over log length, by least squares
over all lengths.

Not measured: several cores, other devices, half precision, generation.

Ends with exit code 1 if the harmonic mixer misses one of its bars (unless `--no-check`).
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from signal_model.config import MixerConfig, ModelConfig
from signal_model.layers.mixers import build_mixer

# A line for each mixer.
MIXERS: dict[str, dict[str, Any]] = {
    "harmonic": {"kind": "harmonic"},
    "wavelet": {"kind": "wavelet"},
    "fourier attention": {"kind": "fourier_attention"},
    "attention, window 256": {"kind": "attention", "window": 256},
}
ATTENTION = "bare attention"
HEADS = 4

WIDTH = 256
LENGTHS = tuple(2**power for power in range(8, 16))
# Batches of small models, where overhead counts: batch, length, width. Here the whole attention mixer is shown too.
SMALL = ((12, 64, 128), (16, 128, 96))
WHOLE_ATTENTION = {"attention": {"kind": "attention"}}

# The bars of the harmonic mixer: times faster than attention at a length; the exponent.
LEAST_RATIOS = {1024: 3.0, 16384: 10.0}
MOST_EXPONENT = 1.15

Shape = tuple[int, int, int]
Pass = Callable[[], object]


class Given(nn.Module):
    """Stands for a projection: returns its result, whatever the input."""

    def __init__(self, result: Tensor) -> None:
        super().__init__()
        self.result = [result]  # in a list, so that it is no parameter

    def forward(self, x: Tensor) -> Tensor:
        return self.result[0]


class Passed(nn.Linear):
    """Stands for the output projection: returns its input."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def mixer_pass(settings: dict[str, Any], shape: Shape) -> Pass:
    """Forward and backward through a mixer without its projections."""
    batch, length, width = shape
    mixer: Any = build_mixer(MixerConfig.parse(settings), ModelConfig(width=width, context=length))
    projected = torch.randn(batch, length, mixer.project.out_features, requires_grad=True)
    mixer.project = Given(projected)
    mixer.output = Passed(width, width, bias=False).requires_grad_(False)
    x, gradient = torch.randn(shape, requires_grad=True), torch.randn(shape)
    wanted = [x, projected, *(parameter for parameter in mixer.parameters() if parameter.requires_grad)]
    return lambda: torch.autograd.grad(mixer(x), wanted, gradient, allow_unused=True)


def attention_pass(shape: Shape) -> Pass:
    """Forward and backward through attention alone, its inputs in the layout that suits it best."""
    batch, length, width = shape
    inputs = [torch.randn(batch, HEADS, length, width // HEADS, requires_grad=True) for _ in range(3)]
    gradient = torch.randn(batch, HEADS, length, width // HEADS)
    return lambda: torch.autograd.grad(F.scaled_dot_product_attention(*inputs, is_causal=True), inputs, gradient)


def make_pass(name: str, shape: Shape) -> Pass:
    torch.manual_seed(0)
    return attention_pass(shape) if name == ATTENTION else mixer_pass((MIXERS | WHOLE_ATTENTION)[name], shape)


@dataclass
class Cost:
    """What one mixer costs for one shape."""

    milliseconds: list[float]
    megabytes: float

    @property
    def least(self) -> float:
        return min(self.milliseconds)


def added_memory(name: str, shape: Shape) -> float:
    """MB that one pass adds to the resident set of a fork, whose high-water mark starts at what it holds."""

    def child(pipe: Connection) -> None:
        one_pass = make_pass(name, shape)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        one_pass()
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(sender,))
    process.start()
    sender.close()
    added: int = receiver.recv()
    process.join()
    return added / (2**20 if sys.platform == "darwin" else 2**10)


def times(passes: dict[str, Pass], seconds: float, most: int) -> dict[str, list[float]]:
    """Milliseconds of repetitions that take turns: for `seconds` in all or `most` times, but at least twice."""
    found: dict[str, list[float]] = {name: [] for name in passes}
    for one_pass in passes.values():
        one_pass()
    started = time.perf_counter()
    for repetition in range(most):
        if repetition >= 2 and time.perf_counter() - started > seconds:
            break
        for name, one_pass in passes.items():
            before = time.process_time()
            one_pass()
            found[name].append(1000 * (time.process_time() - before))
    return found


def measure(shapes: list[Shape], seconds: float) -> dict[tuple[str, Shape], Cost]:
    """All mixers for all shapes; memory first, while this process holds none that a fork could reuse."""
    names = {shape: [ATTENTION, *MIXERS, *(WHOLE_ATTENTION if shape in SMALL else {})] for shape in shapes}
    for name in (ATTENTION, *MIXERS):
        make_pass(name, (1, 64, 64))()  # code and tables that are loaded once
    memory = {}
    for shape in shapes:
        for name in names[shape]:
            memory[name, shape] = added_memory(name, shape)
        print(f"memory for {shape} measured", file=sys.stderr)
    # The C library keeps memory for later use, rather than return it, once a large block was freed, as in any training.
    torch.ones(31 * 2**18)
    costs = {}
    for shape in shapes:
        for name, values in times({name: make_pass(name, shape) for name in names[shape]}, seconds, 50).items():
            costs[name, shape] = Cost(values, memory[name, shape])
        print(f"time for {shape} measured", file=sys.stderr)
    return costs


def exponent(costs: dict[tuple[str, Shape], Cost], name: str, shapes: list[Shape]) -> float:
    """Slope of log time over log length."""
    points = [(math.log(shape[1]), math.log(costs[name, shape].least)) for shape in shapes]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def print_table(costs: dict[tuple[str, Shape], Cost], grown: list[Shape]) -> None:
    print("| mixer | batch × length × width | ms, least (median) | times faster than attention | MB | exponent |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in (ATTENTION, *MIXERS, *WHOLE_ATTENTION):
        slope = f"{exponent(costs, name, grown):.2f}" if name not in WHOLE_ATTENTION and len(grown) > 1 else ""
        for shape in [shape for other, shape in costs if other == name]:
            cost, base = costs[name, shape], costs[ATTENTION, shape]
            spread = f"{cost.least:.1f} ({statistics.median(cost.milliseconds):.1f})"
            cells = [name, " × ".join(map(str, shape)), spread, f"{base.least / cost.least:.2f}"]
            cells += [f"{cost.megabytes:.0f}", slope if shape in grown else ""]
            print(f"| {' | '.join(cells)} |")


def print_backends(shape: Shape) -> None:
    """torch's ways to compute causal attention on a CPU."""
    one_pass = attention_pass(shape)
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.MATH):
        with sdpa_kernel(backend):
            print(f"{backend.name.lower()}, {shape}: {min(times({'': one_pass}, 5, 20)['']):.1f} ms")


def missed_bars(costs: dict[tuple[str, Shape], Cost], grown: list[Shape]) -> list[str]:
    """Which bars the harmonic mixer misses, in words."""
    missed = []
    for length, least in LEAST_RATIOS.items():
        shape = (1, length, WIDTH)
        if shape in grown:
            ratio = costs[ATTENTION, shape].least / costs["harmonic", shape].least
            if ratio < least:
                missed.append(f"at {length} tokens harmonic is {ratio:.2f} times faster; the bar is {least:g}")
    if grown[-1][1] == LENGTHS[-1] and (slope := exponent(costs, "harmonic", grown)) > MOST_EXPONENT:
        missed.append(f"the exponent is {slope:.2f}; the bar is {MOST_EXPONENT:g}")
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description="Time and memory of mixers beside softmax attention.")
    parser.add_argument("--longest", type=int, default=LENGTHS[-1], choices=LENGTHS, help="tokens (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="for the repetitions of one shape (%(default)s)")
    parser.add_argument("--backends", action="store_true", help="only compare torch's forms of attention")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{os.cpu_count()} CPUs ({platform.machine()}), one used; Python {platform.python_version()}", end="")
    print(f", torch {torch.__version__}\n")
    if options.backends:
        print_backends((1, 4096, WIDTH))
        return 0
    grown = [(1, length, WIDTH) for length in LENGTHS if length <= options.longest]
    costs = measure([*SMALL, *grown], options.seconds)
    print_table(costs, grown)
    missed = missed_bars(costs, grown)
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed and not options.no_check else 0


if __name__ == "__main__":
    sys.exit(main())
