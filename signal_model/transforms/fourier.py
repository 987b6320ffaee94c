"""Convolution along the sequence by Fourier transform: linear, never circular."""

from __future__ import annotations

import torch
from torch import Tensor


def causal_convolution(signal: Tensor, kernel: Tensor) -> Tensor:
    """y(t) = Σ_{s ≤ t} kernel(t - s) signal(s) in O(T log T).

    `signal` (B, T, D), `kernel` (D, K) with K ≤ T; returns (B, T, D). Both are padded with zeros to
    at least T + K - 1, so that nothing wraps around: output t depends on inputs up to t only, with
    the rounding of the transform (about 1e-7 of the largest value in float32) spread over all t.
    Half precisions are transformed in float32.
    """
    dtype = signal.dtype
    if dtype in (torch.bfloat16, torch.float16):
        signal = signal.float()
    length = signal.shape[1]
    size = fast_length(length + kernel.shape[-1] - 1)
    # Channels first: transforms along contiguous rows are twice as fast as along a strided axis.
    spectrum = torch.fft.rfft(signal.transpose(1, 2), n=size)
    response = torch.fft.rfft(kernel.to(signal.dtype), n=size)
    result: Tensor = torch.fft.irfft(spectrum * response, n=size)[..., :length]
    return result.transpose(1, 2).to(dtype)


def fast_length(minimum: int) -> int:
    """The least 2^a · 3^b · 5^c ≥ minimum with a ≥ 1: sizes that Fourier transforms handle fast."""
    best = 1 << max(1, (minimum - 1).bit_length())
    five = 1
    while five < best:
        three = five
        while three < best:
            two = max(1, (-(-minimum // three) - 1).bit_length())
            best = min(best, three << two)
            three *= 3
        five *= 5
    return best
