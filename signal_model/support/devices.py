"""Which device computes, and in which precision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Literal

import numpy as np
import torch

from signal_model.support.errors import InputError
from signal_model.support.processors import permitted_processors

# The quantile of what something has taken that other programs have hardly lengthened.
UNDISTURBED = 0.1
# Seconds that a clock may tick in.
FINE = 1e-6


def choose_device(name: str = "auto") -> torch.device:
    """The device asked for; `auto` is the first at hand of cuda, mps, cpu.

    Raises InputError for a name that torch does not know or a device that this machine lacks.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device: {name!r} is no device; accepted: auto, cuda, cuda:N, mps, cpu") from None
    if not _available(device):
        raise InputError(f"device: {name} is not available on this machine; accepted here: auto, {choose_device()}")
    return device


def prepare(name: str, threads: int | None) -> torch.device:
    """`choose_device`, and so many threads on the CPU; unless given, no more than this process has processors."""
    torch.set_num_threads(threads or min(torch.get_num_threads(), permitted_processors().count))
    return choose_device(name)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads on the CPU while this is entered."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _available(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    if device.index:  # there is one of each of the others
        return False
    return device.type == "cpu" or (device.type == "mps" and torch.backends.mps.is_available())


def compute_in(
    device: torch.device, precision: Literal["auto", "float32", "bfloat16"]
) -> AbstractContextManager[object]:
    """A context in which models compute in the precision asked for.

    `auto` is bfloat16 on CUDA devices with units for it, float32 elsewhere. Weights stay float32; the
    matrix products run in bfloat16.
    """
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" and fast_bfloat16(device) else "float32"
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bfloat16" else nullcontext()


def fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products are faster in bfloat16 than in float32: the device has units for it, and torch uses them.

    Many can compute in bfloat16 without: GPUs before Ampere and processors with AVX2 alone are slower in it.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and _fast_bfloat16_on_cpu()


@cache
def _fast_bfloat16_on_cpu() -> bool:
    """Measured, once per process in 2 ms (40 without units): no flag tells what torch's libraries make of a processor.

    With units a product takes 0.2 to 0.6 times as long as in float32, with AVX-512 but none 2.5 times, with AVX2
    alone 30 times. So the least of five times leaves no doubt, whatever else runs.
    """
    best = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(192, 192, dtype=dtype)
        times = []
        for _ in range(6):  # the first one does not count
            started = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - started)
        best[dtype] = min(times[1:])
    return best[torch.bfloat16] < best[torch.float32]


# How the libraries below torch say that memory ran out, where it is no torch.OutOfMemoryError: the CPU's allocator,
# Metal, CUDA outside of torch's allocator, and cuBLAS, cuDNN and cuFFT.
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, the CPU among them, has not the memory that was asked for."""
    if isinstance(error, RuntimeError):  # torch.OutOfMemoryError is one
        return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in OUT_OF_MEMORY)
    return isinstance(error, MemoryError)


def computes(device: torch.device) -> bool:
    """Whether a device still does the least there is to do.

    After an illegal address or a failed assertion in a kernel, CUDA refuses everything until the process ends.
    """
    if device.type != "cuda":
        return True
    try:
        _compute_a_little(device)
    except RuntimeError as error:
        return ran_out_of_memory(error)
    return True


def _compute_a_little(device: torch.device) -> None:
    torch.ones(1, device=device).add_(1)
    torch.cuda.synchronize(device)


def give_back(device: torch.device) -> None:
    """Leave the memory that torch keeps for later tensors to other processes. The device must still compute."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds by the clock to time what a device does: where one thread computes, its own, which stands while others
    have its processor."""
    is_own = device.type == "cpu" and torch.get_num_threads() == 1
    # On Windows it ticks 64 times in a second.
    return time.thread_time if is_own and time.get_clock_info("thread_time").resolution <= FINE else time.perf_counter


def undisturbed(seconds: Sequence[float] | np.ndarray) -> float:
    """What something takes by itself that has taken so long: other programs only ever lengthen it, so a low quantile
    says so."""
    return float(np.quantile(seconds, UNDISTURBED))


def wait_for(device: torch.device) -> None:
    """Return when the device has done all it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
