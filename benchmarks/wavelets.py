"""What the discrete wavelet transform costs, forward and inverse, beside other packages that do the same work.

db4, 3 levels, boundary mode `symmetric`, float32, 8 × 256 signals of n samples, one core. Every package has this mode
and gives the same coefficients (checked before timing). Systems are timed in turn, round after round (A B C A B C). A
turn is one call, and then calls for about 20 ms, of which the mean counts (as in `timeit` and `torch.utils.benchmark`).
Shown is the least of the rounds in ms, which other work on the machine disturbs least, and how many times longer the
fastest peer takes than `signal_model`: by the least means, which the bar is on, by the medians of the means, and by the
least time of the first call, which finds the caches full of other systems' data.

- signal_model: `wavedec` and `waverec`, without recording gradients.
- PyWavelets, batched: `pywt.wavedec` and `waverec` along the last axis of one array.
- PyWavelets, axis moved: the same along the first axis of an array that already lies so: moving it is not counted.
- ptwt: `wavedec` and `waverec`. pytorch_wavelets: `DWT1DForward` and `DWT1DInverse`. Both without recording gradients.
- PyWavelets, signal by signal: a Python loop over 2,048 signals. Not a peer: what published speed-ups refer to.
- copy: `clone` of the input. No transform and its inverse can take less time than two of these.
- with gradient: forward, inverse and the gradient of the sum of squares with respect to the signal.

NumPy asks Linux for huge pages for its arrays, PyTorch only when told (THP_MEM_ALLOC_ENABLE=1): this script tells it,
so that all have them. Lengths go from long to short, so that the C library keeps freed memory for the short ones, as it
does in any process that has worked on large tensors before.

With `--device cuda` (or `mps`) the PyTorch packages run there, synchronised, beside the copy, and no bar is checked.
That was never run: no such device was at hand when this was written.

Ends with exit code 1 if `signal_model` misses its bar (unless `--no-check`), 2 if a package is missing.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

try:
    import numpy as np
    import ptwt
    import pywt
    import torch
    from pytorch_wavelets import DWT1DForward, DWT1DInverse

    from signal_model.transforms.dwt.dwt import wavedec, waverec

    packages = ("torch", "PyWavelets", "ptwt", "pytorch_wavelets", "numpy")
    VERSIONS = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
except ImportError as error:
    needs = "pip install -e . ptwt==1.0.1 pytorch_wavelets six 'setuptools<81'"
    print(f"{Path(__file__).name}: {error}; install what it needs: {needs}", file=sys.stderr)
    sys.exit(2)

LEAST_RATIO = 2.0  # the bar: how many times longer the fastest peer takes

WAVELET, LEVELS, MODE = "db4", 3, "symmetric"
LEADING = (8, 256)
TURN = 20.0  # milliseconds
LENGTHS = (8192, 4096, 2048, 1024, 512, 256, 128, 64)
OURS, BATCHED, MOVED = "signal_model", "PyWavelets, batched", "PyWavelets, axis moved"
PTWT, FOUR = "ptwt", "pytorch_wavelets"
ONE_BY_ONE, COPY = "PyWavelets, signal by signal", "copy"
PEERS = (BATCHED, MOVED, PTWT, FOUR)
GRADIENT = "with gradient: "

Pair = tuple[Callable[[torch.Tensor], list[torch.Tensor]], Callable[[list[torch.Tensor]], torch.Tensor]]


def torch_pairs(device: str) -> dict[str, Pair]:
    """Forward and inverse transform of each PyTorch package; bands in the order [a_3, d_3, d_2, d_1]."""
    forward = DWT1DForward(J=LEVELS, wave=WAVELET, mode=MODE).to(device)
    inverse = DWT1DInverse(wave=WAVELET, mode=MODE).to(device)

    def four(signal: torch.Tensor) -> list[torch.Tensor]:
        approximation, details = forward(signal)
        return [approximation, *reversed(details)]

    return {
        OURS: (lambda x: wavedec(x, WAVELET, MODE, LEVELS), lambda c: waverec(c, WAVELET, MODE)),
        PTWT: (lambda x: ptwt.wavedec(x, WAVELET, mode=MODE, level=LEVELS), lambda c: ptwt.waverec(c, WAVELET)),
        FOUR: (four, lambda c: inverse((c[0], list(reversed(c[1:]))))),
    }


def systems(length: int, device: str) -> dict[str, Callable[[], object]]:
    """Everything that is timed at one length, checked to compute the same."""
    signal = torch.randn(*LEADING, length, generator=torch.Generator().manual_seed(length))
    array = signal.numpy()
    flat = array.reshape(-1, length)
    moved = np.ascontiguousarray(flat.T)
    on_device = signal.to(device)
    expected = [torch.from_numpy(band) for band in pywt.wavedec(array, WAVELET, MODE, LEVELS)]

    def run(pair: Pair) -> Callable[[], torch.Tensor]:
        def both() -> torch.Tensor:
            with torch.no_grad():
                return pair[1](pair[0](on_device))

        return both

    def differentiate(pair: Pair) -> Callable[[], torch.Tensor]:
        def gradient() -> torch.Tensor:
            leaf = on_device.detach().requires_grad_()
            (result,) = torch.autograd.grad(pair[1](pair[0](leaf)).square().sum(), leaf)
            return result

        return gradient

    def along(data: np.ndarray, axis: int) -> np.ndarray:
        return pywt.waverec(pywt.wavedec(data, WAVELET, MODE, LEVELS, axis=axis), WAVELET, MODE, axis=axis)

    pairs = torch_pairs(device)
    for name, pair in pairs.items():
        bands = [band.cpu() for band in pair[0](on_device)]
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(bands, expected, strict=True)), name
        assert torch.allclose(run(pair)()[..., :length].cpu(), signal, atol=1e-4), name
    found: dict[str, Callable[[], object]] = {name: run(pair) for name, pair in pairs.items()}
    found[COPY] = on_device.clone
    found |= {GRADIENT + name: differentiate(pair) for name, pair in pairs.items()}
    if device == "cpu":
        found[BATCHED] = lambda: along(array, -1)
        found[MOVED] = lambda: along(moved, 0)
        found[ONE_BY_ONE] = lambda: [along(row, -1) for row in flat]
    return found


def synchronise(device: str) -> None:
    if device != "cpu":
        torch.accelerator.synchronize()


def per_call(system: Callable[[], object], calls: int, device: str) -> float:
    """Milliseconds of a call: the mean of so many."""
    synchronise(device)
    started = time.perf_counter()
    for _ in range(calls):
        system()
    synchronise(device)
    return 1000 * (time.perf_counter() - started) / calls


Times = dict[str, list[float]]


def measure(timed: dict[str, Callable[[], object]], rounds: int, device: str) -> tuple[Times, Times]:
    """Milliseconds per call of each system, round after round: in a row, and of the first call of a turn."""
    in_a_row: Times = {name: [] for name in timed}
    first: Times = {name: [] for name in timed}
    for _ in range(rounds + 1):  # the first is the warm-up
        for name, system in timed.items():
            first[name].append(per_call(system, 1, device))
            in_a_row[name].append(per_call(system, max(1, round(TURN / first[name][-1])), device))
    return {name: times[1:] for name, times in in_a_row.items()}, {name: times[1:] for name, times in first.items()}


def ratio(times: Times, summary: Callable[[list[float]], float]) -> float:
    """How many times longer the fastest peer takes."""
    return min(summary(times[name]) for name in PEERS if name in times) / summary(times[OURS])


def main() -> int:
    parser = argparse.ArgumentParser(description="Speed of the discrete wavelet transform.")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (%(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each system (%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    device = options.device
    if device == "cpu":
        torch.set_num_threads(1)
        place = f"1 of {os.cpu_count()} CPUs ({platform.machine()}), huge pages {os.environ['THP_MEM_ALLOC_ENABLE']}"
    else:
        place = torch.cuda.get_device_name() if device == "cuda" else device
    print(f"{place}, Python {platform.python_version()}, {VERSIONS}")
    print(f"{WAVELET}, {LEVELS} levels, {MODE}, float32, {' × '.join(map(str, LEADING))} signals of n; ms\n")
    names = [OURS, *(PEERS if device == "cpu" else (PTWT, FOUR)), *([ONE_BY_ONE] if device == "cpu" else []), COPY]
    names += [GRADIENT + name for name in (OURS, PTWT, FOUR)]
    print(f"| n | {' | '.join(names)} | fastest peer ÷ signal_model | by medians | by first calls |")
    print(f"|---:|{'---:|' * (len(names) + 3)}")
    missed = []
    for length in LENGTHS:
        times, first = measure(systems(length, device), options.rounds, device)
        cells = [f"{min(times[name]):.2f}" for name in names] + [f"{ratio(times, min):.2f}"]
        print(
            f"| {length} | {' | '.join(cells)} | {ratio(times, statistics.median):.2f} | {ratio(first, min):.2f} |",
            flush=True,
        )
        if (found := ratio(times, min)) < LEAST_RATIO:
            missed.append(f"n = {length}: the fastest peer takes {found:.2f} times as long; the bar is {LEAST_RATIO:g}")
    if device != "cpu":
        return 0
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed and not options.no_check else 0


if __name__ == "__main__":
    sys.exit(main())
