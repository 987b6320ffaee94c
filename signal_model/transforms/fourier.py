"""Convolution along the sequence by Fourier transform: linear, never circular."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

# Numbers, after padding, that a CPU transforms at a time: 2 MB in float32. What is worked on then stays in the
# cache, and its memory is used again; for whole sequences a CPU mostly waits for memory, 4 times as long in all.
BLOCK = 2**19


def causal_convolution(signal: Tensor, kernel: Tensor) -> Tensor:
    """y(t) = Σ_{s ≤ t} kernel(t - s) signal(s) in O(T log T).

    `signal` (B, T, D), `kernel` (D, K) with K ≤ T; returns (B, T, D). Both are padded with zeros to
    at least T + K - 1, so that nothing wraps around: output t depends on inputs up to t only, with
    the rounding of the transform (about 1e-7 of the largest value in float32) spread over all t.
    Half precisions are transformed in float32. Differentiable once.
    """
    wide = signal.float() if signal.dtype in (torch.bfloat16, torch.float16) else signal
    result: Tensor = _CausalConvolution.apply(wide, kernel.to(wide.dtype))
    return result.to(signal.dtype)


class _CausalConvolution(Function):
    """Transforms the signal again for the gradient, unless all of it is one block: for a CPU that is cheaper than
    to write spectra to memory and to read them back, and it takes a fifth of the memory."""

    @staticmethod
    def forward(ctx: Any, signal: Tensor, kernel: Tensor) -> Tensor:
        length, taps = signal.shape[1], kernel.shape[1]
        size = fast_length(length + taps - 1)
        response = torch.fft.rfft(kernel, n=size)[:, None]
        result = torch.empty_like(signal, memory_format=torch.contiguous_format)
        blocks = _blocks(signal, size)
        for rows, channels in blocks:
            spectrum = torch.fft.rfft(_channels_first(signal[rows, :, channels]), n=size)
            filtered = torch.fft.irfft(spectrum * response[channels], n=size)
            result[rows, :, channels] = _channels_last(filtered[..., :length])
        ctx.save_for_backward(signal, response, spectrum if len(blocks) == 1 else None)
        ctx.taps, ctx.size = taps, size
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        signal, response, kept = ctx.saved_tensors
        length, size = signal.shape[1], ctx.size
        response = response.conj_physical()
        for_signal = torch.empty_like(signal, memory_format=torch.contiguous_format)
        for_response = torch.zeros_like(response[:, 0])
        for rows, channels in _blocks(signal, size):
            change = torch.fft.rfft(_channels_first(gradient[rows, :, channels]), n=size)
            spectrum = torch.fft.rfft(_channels_first(signal[rows, :, channels]), n=size) if kept is None else kept
            for_response[channels] += (spectrum.conj_physical() * change).sum(1)
            correlated = torch.fft.irfft(change.mul_(response[channels]), n=size)
            for_signal[rows, :, channels] = _channels_last(correlated[..., :length])
        return for_signal, torch.fft.irfft(for_response, n=size)[:, : ctx.taps]


def _blocks(signal: Tensor, size: int) -> list[tuple[slice, slice]]:
    """Rows of the batch and channels that are transformed together: all, except for a large tensor on a CPU."""
    batch, _, width = signal.shape
    if signal.device.type != "cpu" or batch * width * size <= BLOCK:
        return [(slice(batch), slice(width))]
    rows = max(1, BLOCK // (width * size))
    # 16 neighbouring numbers fill a line of the cache.
    channels = width if rows > 1 else max(16, BLOCK // size)
    return [
        (slice(row, row + rows), slice(channel, channel + channels))
        for row in range(0, batch, rows)
        for channel in range(0, width, channels)
    ]


def _channels_first(x: Tensor) -> Tensor:
    """(B, T, D) → (D, B, T). Transforms are faster along contiguous rows, and torch transposes a plain
    matrix faster than it permutes."""
    batch, length, width = x.shape
    return x.reshape(-1, width).t().contiguous().view(width, batch, length)


def _channels_last(x: Tensor) -> Tensor:
    """(D, B, T) → (B, T, D)."""
    width, batch, length = x.shape
    return x.reshape(width, -1).t().contiguous().view(batch, length, width)


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
