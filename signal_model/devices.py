"""Which device computes, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from signal_model.errors import InputError


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

    `auto` is bfloat16 on CUDA devices that have it, float32 elsewhere. Weights stay float32; the
    matrix products run in bfloat16.
    """
    if precision == "auto":
        precision = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bfloat16" else nullcontext()


def wait_for(device: torch.device) -> None:
    """Return when the device has done all it was given, so that a clock can be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
