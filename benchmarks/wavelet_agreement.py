"""How closely the discrete wavelet transform of `signal_model` agrees with PyWavelets, ptwt and its own derivatives.

Every discrete family of PyWavelets × every boundary mode × every length from 1 to 257, at the deepest level that is
useful there (`dwt_max_level`, at least 1) and for one length in sixteen also at levels 1 to 3. Compared are all
coefficients of `wavedec`, `waverec` of PyWavelets' coefficients, and `waverec` of one's own coefficients with the
signal, each as the largest difference relative to the largest value of signal and coefficients:

- float64 of `signal_model` against float64 of PyWavelets;
- for one length in four float32 of `signal_model` against float64 of PyWavelets;
- for one length in sixteen float32 of PyWavelets against its float64, to show what is usual: it is held to no bar;
- for one length in sixteen ptwt (float64), in the five modes that it shares and where it accepts the length;
- `gradcheck` and `gradgradcheck` of both directions on a sample.

Reconstruction (own coefficients against the signal) is bounded by how exact the taps are that PyWavelets has: shown is
by how much the error of `signal_model` exceeds that of PyWavelets.

Signals are standard normal, the same numbers in both precisions. Modes `reflect` and `antireflect` have no extension
of a single sample; PyWavelets and `signal_model` refuse it.

Ends with exit code 1 if a bar is missed, 2 if a package is missing.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
import warnings
from collections import defaultdict
from importlib import metadata
from pathlib import Path

try:
    import numpy as np
    import ptwt
    import pywt
    import torch

    from signal_model.transforms.dwt.dwt import wavedec, waverec
    from signal_model.transforms.dwt.extension import MODES

    VERSIONS = ", ".join(f"{package} {metadata.version(package)}" for package in ("torch", "PyWavelets", "ptwt"))
except ImportError as error:
    print(f"{Path(__file__).name}: {error}; install what it needs: pip install -e . ptwt==1.0.1", file=sys.stderr)
    sys.exit(2)

# The bars, relative to the largest value of signal and coefficients.
BARS = {torch.float64: 1e-10, torch.float32: 1e-5}
NAMES = pywt.wavelist(kind="discrete")
LONGEST = 257
EVERY = 16  # of the lengths that get more than the deepest level
PTWT_MODES = ("zero", "constant", "symmetric", "periodic", "reflect")
Errors = dict[str, float]  # by column


def distance(ours: torch.Tensor, theirs: np.ndarray) -> float:
    """The largest difference; infinite where shapes differ or anything is not a number."""
    if tuple(ours.shape) != theirs.shape:
        return float("inf")
    found = float(np.abs(ours.double().numpy() - theirs).max())
    return found if found == found else float("inf")


def compare(signal: torch.Tensor, wavelet: str, mode: str, level: int) -> Errors:
    """All differences for one signal, one family, one mode and one level."""
    exact = pywt.wavedec(signal.numpy(), wavelet, mode, level)
    back = pywt.waverec(exact, wavelet, mode)
    scale = max(float(np.abs(values).max()) for values in (signal.numpy(), *exact))
    length = signal.shape[-1]
    errors: Errors = {}
    for dtype, name in ((torch.float64, "float64"), (torch.float32, "float32"))[: 1 if length % 4 else 2]:
        ours = wavedec(signal.to(dtype), wavelet, mode, level)
        errors[f"coefficients, {name}"] = max(map(distance, ours, exact)) / scale
        given = [torch.from_numpy(band).to(dtype) for band in exact]
        errors[f"inverse, {name}"] = distance(waverec(given, wavelet, mode), back) / scale
        own = waverec(ours, wavelet, mode)[..., :length]
        excess = distance(own, signal.numpy()) - float(np.abs(back[..., :length] - signal.numpy()).max())
        errors[f"reconstruction, {name}"] = max(0.0, excess) / scale
    if length % EVERY:
        return errors
    rough = pywt.wavedec(signal.float().numpy(), wavelet, mode, level)
    errors["PyWavelets float32"] = max(float(np.abs(a - b).max()) for a, b in zip(rough, exact, strict=True)) / scale
    return errors


def compare_ptwt(signal: torch.Tensor, wavelet: str, mode: str, level: int) -> float | None:
    """The largest difference to ptwt; None where it does not accept the mode or the length."""
    if mode not in PTWT_MODES:
        return None
    try:
        theirs = ptwt.wavedec(signal, wavelet, mode=mode, level=level)
    except (ValueError, RuntimeError):  # lengths shorter than what it pads
        return None
    ours = wavedec(signal, wavelet, mode, level)
    scale = max(float(band.abs().max()) for band in (signal, *ours))
    return max(distance(band, other.numpy()) for band, other in zip(ours, theirs, strict=True)) / scale


def derivatives_pass(mode: str) -> bool:
    """First and second derivatives of both directions against finite differences, full Jacobians."""
    for wavelet, length in (("db2", 11), ("bior2.2", 18), ("haar", 7), ("sym12", 139)):
        signal = torch.randn(1, length, dtype=torch.float64, requires_grad=True)
        bands = [band.detach().requires_grad_() for band in wavedec(signal, wavelet, mode, 2)]
        maps = [
            (lambda x, wavelet=wavelet: tuple(wavedec(x, wavelet, mode, 2)), [signal]),
            (lambda *c, wavelet=wavelet: waverec(c, wavelet, mode), bands),
        ]
        for function, inputs in maps:
            if not torch.autograd.gradcheck(function, inputs, raise_exception=False):
                return False
            if not torch.autograd.gradgradcheck(function, inputs, raise_exception=False, fast_mode=True):
                return False
    return True


def agreement(mode: str, lengths: range) -> tuple[Errors, int]:
    """The largest of all differences in one mode, and how many comparisons were made."""
    worst: Errors = defaultdict(float)
    count = 0
    for length in lengths:
        if length == 1 and mode in ("reflect", "antireflect"):
            continue
        signal = torch.randn(2, length, generator=torch.Generator().manual_seed(length)).double()
        for wavelet in NAMES:
            taps = pywt.Wavelet(wavelet).dec_len
            levels = {max(1, pywt.dwt_max_level(length, taps))}
            if length % EVERY == 0:
                levels |= {1, 2, 3}
            for level in levels:
                for column, error in compare(signal, wavelet, mode, level).items():
                    worst[column] = max(worst[column], error)
                if length % EVERY == 0 and (error := compare_ptwt(signal, wavelet, mode, level)) is not None:
                    worst["ptwt"] = max(worst["ptwt"], error)
                count += 1
    return worst, count


def main() -> int:
    parser = argparse.ArgumentParser(description="Agreement of the discrete wavelet transform with PyWavelets.")
    parser.add_argument("--longest", type=int, default=LONGEST, help="lengths from 1 to this (%(default)s)")
    parser.add_argument("--step", type=int, default=1, help="of these one in so many, for a quick look (%(default)s)")
    parser.add_argument("--no-check", action="store_true", help="exit with 0 whatever the figures are")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", UserWarning)  # of PyWavelets, about levels beyond dwt_max_level
    print(f"{os.cpu_count()} CPUs ({platform.machine()}), Python {platform.python_version()}, {VERSIONS}")
    print(f"{len(NAMES)} families, {len(MODES)} modes, lengths 1 to {options.longest}\n")
    names = [
        f"{what}, {name}" for name in ("float64", "float32") for what in ("coefficients", "inverse", "reconstruction")
    ]
    columns = [*names, "PyWavelets float32", "ptwt"]
    print(f"| mode | comparisons | {' | '.join(columns)} | derivatives |\n|---|---:|{'---:|' * len(columns)}---|")
    started, missed = time.perf_counter(), []
    for mode in MODES:
        worst, count = agreement(mode, range(1, options.longest + 1, options.step))
        passed = derivatives_pass(mode)
        cells = [f"{worst[column]:.1e}" if column in worst else "–" for column in columns]
        print(f"| {mode} | {count:,} | {' | '.join(cells)} | {'pass' if passed else 'FAIL'} |", flush=True)
        for column in (*names, "ptwt"):
            bar = BARS[torch.float32 if "float32" in column else torch.float64]
            if not worst.get(column, 0.0) <= bar:
                missed.append(f"{mode}: {column} differs by {worst[column]:.1e}; the bar is {bar:g}")
        if not passed:
            missed.append(f"{mode}: derivatives differ from finite differences")
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    for sentence in missed:
        print(f"missed: {sentence}", file=sys.stderr)
    return 1 if missed and not options.no_check else 0


if __name__ == "__main__":
    sys.exit(main())
