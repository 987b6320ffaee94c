"""Convolution along the sequence by Fourier transform: linear, never circular."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.transforms.fast import Fast, Kept, Tensors
from signal_model.transforms.precision import wide

# Numbers, after padding, that a CPU transforms at a time: 2 MB in float32. What is worked on then stays in the
# cache, and its memory is used again; for whole sequences a CPU mostly waits for memory, 4 times as long in all.
BLOCK = 2**19


def causal_convolution(signal: Tensor, kernel: Tensor) -> Tensor:
    """y(t) = Σ_{s ≤ t} kernel(t - s) signal(s) in O(T log T).

    `signal` (B, T, D), `kernel` (D, K) with K ≤ T; returns (B, T, D). Both are padded with zeros to
    at least T + K - 1, so that nothing wraps around: output t depends on inputs up to t only, with
    the rounding of the transform (about 1e-7 of the largest value in float32) spread over all t.
    Half precisions are transformed in float32.

    Examples:
        >>> signal = torch.tensor([1.0, 0.0, 0.0, 2.0]).view(1, 4, 1)
        >>> causal_convolution(signal, torch.tensor([[3.0, 1.0]])).flatten().round().tolist()
        [3.0, 1.0, 0.0, 6.0]
    """
    return two_sided_convolution(signal, kernel, ahead=0)


def two_sided_convolution(signal: Tensor, kernel: Tensor, ahead: int) -> Tensor:
    """y(t) = Σ_s kernel(t - s) signal(s), the first `ahead` < T taps of the kernel at lags below 0, the next at lag 0.

    `signal` (B, T, D), `kernel` (D, K) with up to T taps at lags from 0 on; returns (B, T, D). Padded as
    `causal_convolution` is, at the same cost for kernels of 2T - 1 taps as there for T.

    Examples:
        >>> signal = torch.tensor([1.0, 0.0, 0.0, 2.0]).view(1, 4, 1)
        >>> two_sided_convolution(signal, torch.tensor([[5.0, 3.0, 1.0]]), ahead=1).flatten().round().tolist()
        [3.0, 1.0, 10.0, 6.0]
    """
    full = wide(signal)
    return _Convolution.run(full, kernel.to(full.dtype), ahead)[0].to(signal.dtype)


class _Convolution(Fast):
    """Transforms the signal again for the gradient, unless all of it is one block: for a CPU that is cheaper than
    to write spectra to memory and to read them back, and it takes a fifth of the memory."""

    @staticmethod
    def plain(signal: Tensor, kernel: Tensor, ahead: int) -> Tensors:
        length = signal.shape[1]
        size = length + kernel.shape[1]
        spectrum = torch.fft.rfft(signal, n=size, dim=1) * torch.fft.rfft(kernel, n=size).T
        return (torch.fft.irfft(spectrum, n=size, dim=1)[:, ahead : ahead + length],)

    @staticmethod
    def fast(signal: Tensor, kernel: Tensor, ahead: int) -> tuple[Tensors, Kept]:
        length = signal.shape[1]
        size = _size(length, kernel, ahead)
        # Lags below 0 stand at the end, where those of a periodic kernel do.
        response = torch.fft.rfft(F.pad(kernel, (0, size - kernel.shape[1])).roll(-ahead, -1))[:, None]
        result = torch.empty_like(signal, memory_format=torch.contiguous_format)
        blocks = _blocks(signal, size)
        for rows, channels in blocks:
            spectrum = torch.fft.rfft(_channels_first(signal[rows, :, channels]), n=size)
            filtered = torch.fft.irfft(spectrum * response[channels], n=size)
            result[rows, :, channels] = _channels_last(filtered[..., :length])
        return (result,), (response, spectrum if len(blocks) == 1 else None)

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        signal, kernel, ahead = inputs
        length = signal.shape[1]
        size = _size(length, kernel, ahead)
        response, whole = kept
        assert response is not None
        response = response.conj_physical()
        for_signal = torch.empty_like(signal, memory_format=torch.contiguous_format)
        for_response = torch.zeros_like(response[:, 0])
        for rows, channels in _blocks(signal, size):
            change = torch.fft.rfft(_channels_first(gradients[0][rows, :, channels]), n=size)
            spectrum = torch.fft.rfft(_channels_first(signal[rows, :, channels]), n=size) if whole is None else whole
            for_response[channels] += (spectrum.conj_physical() * change).sum(1)
            correlated = torch.fft.irfft(change.mul_(response[channels]), n=size)
            for_signal[rows, :, channels] = _channels_last(correlated[..., :length])
        return for_signal, torch.fft.irfft(for_response, n=size).roll(ahead, -1)[:, : kernel.shape[1]]


def _size(length: int, kernel: Tensor, ahead: int) -> int:
    """The least fast size in which nothing wraps around into the positions of the signal."""
    return fast_length(length + max(ahead, kernel.shape[1] - 1 - ahead))


def pair_convolution(first: Tensor, second: Tensor) -> Tensor:
    """z(t) = Σ_{i+j = t} first(i) second(j), channel by channel: two (B, T, D) → (B, T, D), as a triple one is."""
    length = first.shape[1]
    size = fast_length(2 * length - 1)
    spectrum = torch.fft.rfft(first, n=size, dim=1) * torch.fft.rfft(second, n=size, dim=1)
    result: Tensor = torch.fft.irfft(spectrum, n=size, dim=1)[:, :length]
    return result


def triple_convolution(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """z(t) = Σ_{i+j+l = t} first(i) second(j) third(l) in O(T log T): three (B, T, D) → (B, T, D).

    Padded to at least 3T - 2, so that nothing wraps around. All of one type, float32 or float64.
    """
    return _TripleConvolution.run(first, second, third)[0]


class _TripleConvolution(Fast):
    """Real transforms in the gradient too, which autograd takes for complex ones of twice the length."""

    @staticmethod
    def plain(first: Tensor, second: Tensor, third: Tensor) -> Tensors:
        length = first.shape[1]
        size = 4 * length  # even, also where lengths are symbols
        spectra = [torch.fft.rfft(factor, n=size, dim=1) for factor in (first, second, third)]
        return (torch.fft.irfft(spectra[0] * spectra[1] * spectra[2], n=size, dim=1)[:, :length],)

    @staticmethod
    def fast(first: Tensor, second: Tensor, third: Tensor) -> tuple[Tensors, Kept]:
        length = first.shape[1]
        size = fast_length(3 * length - 2)
        result = torch.empty_like(first, memory_format=torch.contiguous_format)
        blocks = _blocks(first, size)
        for rows, channels in blocks:
            spectra = [
                torch.fft.rfft(_channels_first(factor[rows, :, channels]), n=size) for factor in (first, second, third)
            ]
            triple = torch.fft.irfft((spectra[0] * spectra[1]).mul_(spectra[2]), n=size)
            result[rows, :, channels] = _channels_last(triple[..., :length])
        return (result,), tuple(spectra) if len(blocks) == 1 else ()

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        length = inputs[0].shape[1]
        size = fast_length(3 * length - 2)
        results = [torch.empty_like(factor, memory_format=torch.contiguous_format) for factor in inputs]
        for rows, channels in _blocks(inputs[0], size):
            spectra = kept or [torch.fft.rfft(_channels_first(factor[rows, :, channels]), n=size) for factor in inputs]
            change = torch.fft.rfft(_channels_first(gradients[0][rows, :, channels]), n=size)
            a, b, c = (spectrum.conj() for spectrum in spectra if spectrum is not None)
            changed = change * a
            for result, product in zip(results, ((b * c).mul_(change), changed * c, changed * b), strict=True):
                correlated = torch.fft.irfft(product, n=size)
                result[rows, :, channels] = _channels_last(correlated[..., :length])
        return tuple(results)


def _blocks(signal: Tensor, size: int) -> list[tuple[slice, slice]]:
    """Rows of the batch and channels that are transformed together: all, except for a large tensor on a CPU."""
    batch, _, width = signal.shape
    if not signal.numel():  # which libraries of transforms refuse
        return []
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
