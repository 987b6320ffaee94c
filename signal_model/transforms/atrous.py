"""Undecimated wavelet decomposition along the sequence, causal or centred.

The à trous algorithm (Holschneider et al. 1989; Shensa 1992), with one-sided filters:
a_j(t) = Σ_k g(k) a_{j-1}(t - 2^{j-1} k) and d_j = a_{j-1} - a_j, so that x = a_J + Σ_j d_j exactly
and with no delay. The centred one has the filter of zero phase, g * ḡ, in the place of g.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
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


def zero_phase(taps: tuple[float, ...]) -> tuple[float, ...]:
    """The low-pass applied forwards and backwards, 2K - 1 symmetric taps that sum to one: it delays nothing.

    The autocorrelation of the taps (Saito & Beylkin 1993), whose middle one is at the present.
    """
    return tuple(float(tap) for tap in np.correlate(taps, taps, "full"))


def causal_decomposition(signal: Tensor, wavelet: str, levels: int) -> list[Tensor]:
    """[d_1, …, d_J, a_J], each (B, T, D) like `signal`, whose sum is `signal`.

    Examples:
        >>> signal = torch.arange(8.0).view(1, 8, 1)
        >>> bands = causal_decomposition(signal, "haar", levels=2)
        >>> len(bands), torch.equal(torch.stack(bands).sum(0), signal)
        (3, True)
    """
    return decomposition(signal, lowpass(wavelet), levels)


def two_sided_decomposition(signal: Tensor, wavelet: str, levels: int, present: Tensor | None = None) -> list[Tensor]:
    """The same with the `zero_phase` low-pass, which looks as far ahead as back.

    `present` (B, T, 1), if given, is 1 where the signal is, and 0 behind its end: there bands are 0, and those before
    are what they are without.
    """
    return decomposition(signal, zero_phase(lowpass(wavelet)), levels, causal=False, present=present)


def decomposition(
    signal: Tensor, taps: tuple[float, ...], levels: int, causal: bool = True, present: Tensor | None = None
) -> list[Tensor]:
    """Either decomposition by the low-pass taps themselves, an odd number of them if it is not causal."""
    return [*_Decomposition.run(signal, present, taps, levels, 0 if causal else len(taps) // 2)]


class _Decomposition(Fast):
    """Sums up in place: recorded operation by operation, each tap would fill a tensor of the size of the signal."""

    @staticmethod
    def plain(signal: Tensor, present: Tensor | None, taps: tuple[float, ...], levels: int, ahead: int) -> Tensors:
        length = signal.shape[1]
        bands = []
        for level in range(levels):
            dilation = 1 << level
            past = (len(taps) - 1 - ahead) * dilation
            padded = F.pad(signal, (0, 0, past, ahead * dilation))
            smoother = taps[0] * padded.narrow(1, past + ahead * dilation, length)
            for k, tap in enumerate(taps[1:], start=1):
                smoother = smoother + tap * padded.narrow(1, past + (ahead - k) * dilation, length)
            smoother = smoother if present is None else smoother * present
            bands.append(signal - smoother)
            signal = smoother
        return (*bands, signal)

    @staticmethod
    def fast(
        signal: Tensor, present: Tensor | None, taps: tuple[float, ...], levels: int, ahead: int
    ) -> tuple[Tensors, Kept]:
        bands = []
        for level in range(levels):
            smoother = dilated_filter(signal, taps, 1 << level, ahead)
            smoother = smoother if present is None else smoother.mul_(present)
            bands.append(signal - smoother)
            signal = smoother
        return (*bands, signal), ()

    @staticmethod
    def gradient(inputs: tuple[Any, ...], kept: Kept, gradients: Tensors) -> Kept:
        _, present, taps, levels, ahead = inputs
        mirrored, behind = taps[::-1], len(taps) - 1 - ahead  # the adjoint of a filter
        change = gradients[-1]  # of a_J, then of a_{J-1} …
        for level in reversed(range(levels)):
            change = change - gradients[level]
            change = change if present is None else change.mul_(present)
            change = dilated_filter(change, mirrored, 1 << level, behind).add_(gradients[level])
        return change, None


def dilated_filter(signal: Tensor, taps: Sequence[float], dilation: int, ahead: int = 0) -> Tensor:
    """y(t) = Σ_k taps[k] signal(t + (ahead - k) · dilation) along dimension 1 of (B, T, D); zero beyond both ends."""
    length = signal.shape[1]
    result = signal * taps[ahead]
    for k, tap in enumerate(taps):
        shift = (ahead - k) * dilation
        if shift and abs(shift) < length:
            target, source = slice(max(0, -shift), length - max(0, shift)), slice(max(0, shift), length + min(0, shift))
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
