"""Causal, undecimated wavelet decomposition along the sequence.

The à trous algorithm (Holschneider et al. 1989; Shensa 1992) with one-sided filters:
a_j(t) = Σ_k g(k) a_{j-1}(t - 2^{j-1} k) and d_j = a_{j-1} - a_j, so that x = a_J + Σ_j d_j exactly
and with no delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from signal_model.transforms.fast import Fast, Kept, Tensors


@cache
def lowpass(wavelet: str) -> tuple[float, ...]:
    """The wavelet's low-pass taps from PyWavelets, scaled to sum to one.

    Zeros that PyWavelets pads some biorthogonal filters with are cut off at both ends. Of the two
    directions the reconstruction filter is taken: where they differ (Daubechies) its weight lies on
    the most recent samples.
    """
    import pywt

    taps = list(pywt.Wavelet(wavelet).rec_lo)
    while taps[0] == 0:
        taps.pop(0)
    while taps[-1] == 0:
        taps.pop()
    total = sum(taps)
    return tuple(float(tap / total) for tap in taps)


def reach(wavelet: str, level: int) -> int:
    """How many tokens back level `level` (from 1) looks into the level before it."""
    return (len(lowpass(wavelet)) - 1) << (level - 1)


def causal_decomposition(signal: Tensor, wavelet: str, levels: int) -> list[Tensor]:
    """[d_1, …, d_J, a_J], each (B, T, D) like `signal`, whose sum is `signal`.

    Examples:
        >>> signal = torch.arange(8.0).view(1, 8, 1)
        >>> bands = causal_decomposition(signal, "haar", levels=2)
        >>> len(bands), torch.equal(torch.stack(bands).sum(0), signal)
        (3, True)
    """
    return decomposition(signal, lowpass(wavelet), levels)


def decomposition(signal: Tensor, taps: tuple[float, ...], levels: int) -> list[Tensor]:
    """`causal_decomposition` by the low-pass taps themselves."""
    return [*_Decomposition.run(signal, taps, levels)]


class _Decomposition(Fast):
    """Sums up in place: recorded operation by operation, each tap would fill a tensor of the size of the signal."""

    @staticmethod
    def plain(signal: Tensor, taps: tuple[float, ...], levels: int) -> Tensors:
        length = signal.shape[1]
        bands = []
        for level in range(levels):
            dilation = 1 << level
            past = (len(taps) - 1) * dilation
            padded = F.pad(signal, (0, 0, past, 0))
            smoother = taps[0] * signal
            for k, tap in enumerate(taps[1:], start=1):
                smoother = smoother + tap * padded.narrow(1, past - k * dilation, length)
            bands.append(signal - smoother)
            signal = smoother
        return (*bands, signal)

    @staticmethod
    def fast(signal: Tensor, taps: tuple[float, ...], levels: int) -> tuple[Tensors, Kept]:
        bands = []
        for level in range(levels):
            smoother = dilated_filter(signal, taps, 1 << level)
            bands.append(signal - smoother)
            signal = smoother
        return (*bands, signal), ()

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        _, taps, levels = inputs
        change = gradients[-1]  # of a_J, then of a_{J-1} …
        for level in reversed(range(levels)):
            change = dilated_filter(change - gradients[level], taps, 1 << level, ahead=True).add_(gradients[level])
        return (change,)


def dilated_filter(signal: Tensor, taps: Sequence[float], dilation: int, ahead: bool = False) -> Tensor:
    """y(t) = Σ_k taps[k] signal(t - k · dilation) along dimension 1 of (B, T, D); zero before the start.

    `ahead` looks at t + k · dilation, zero beyond the end: the adjoint, which gradients pass through.
    """
    length = signal.shape[1]
    result = signal * taps[0]
    for k, tap in enumerate(taps[1:], start=1):
        kept = length - k * dilation
        if kept <= 0:
            break
        early, late = slice(kept), slice(length - kept, length)
        target, source = (early, late) if ahead else (late, early)
        result[:, target].add_(signal[:, source], alpha=tap)
    return result


def step_decomposition(
    sample: Tensor, past: list[Tensor], taps: tuple[float, ...]
) -> tuple[list[Tensor], list[Tensor]]:
    """One step of `causal_decomposition` on (B, D), given each level's past input (B, reach, D), oldest first.

    Returns the bands at this position and the past for the next one.
    """
    bands, after = [], []
    approximation = sample
    for level, before in enumerate(past, start=1):
        window = torch.cat([before, approximation[:, None]], dim=1)
        weights = window.new_tensor(taps)
        # taps[k] meets the sample k · 2^(level-1) ago, counted from the window's end.
        smoother = torch.einsum("k,bkd->bd", weights, window.flip(1)[:, :: 2 ** (level - 1)])
        bands.append(approximation - smoother)
        after.append(window[:, 1:])
        approximation = smoother
    return [*bands, approximation], after
