"""Filters of a model: impulse responses and frequency responses, along the sequence and along the channels.

Found are: every module with a method `kernel(length)` or `responses()` that returns filters; learned short
convolutions; the bands of wavelet mixers; the spectral filters of feed-forwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from signal_model.analysis.embeddings import HIGH, LOW
from signal_model.layers.convolution import ShortConvolution
from signal_model.layers.feedforward import SpectralFeedForward
from signal_model.layers.mixers.wavelet import WaveletMixer
from signal_model.model import SignalClassifier, SignalLLM
from signal_model.transforms.atrous import causal_decomposition, reach, two_sided_decomposition

LEARNED = "learned"


@runtime_checkable
class HasKernel(Protocol):
    """A module that filters along the sequence."""

    def kernel(self, length: int) -> Tensor:
        """Impulse responses of its filters, (F, length), or (F, 2 · length - 1) with lag 0 in the middle."""


@runtime_checkable
class HasResponses(Protocol):
    """A module that filters along the sequence and whose filters end by themselves."""

    ahead: int

    def responses(self) -> Tensor:
        """Impulse responses of its filters, (F, K), from lag -`ahead` on."""


@dataclass(frozen=True)
class Filters:
    """Filters of one module: one for each channel, or those of a bank."""

    module: str
    """Its name in the model, such as `blocks.0.mixer.short`."""
    name: str
    """What tells filters of one part of the model apart, such as `short` or `detail 1`."""
    layer: int | None
    origin: str
    """`learned`, or the wavelet that they belong to."""
    taps: Tensor
    """Impulse responses (F, K) in float64; lags -`ahead` … K - 1 - `ahead` in tokens."""
    ahead: int = 0
    """Taps that look ahead."""

    def response(self, points: int) -> Tensor:
        """H(f) = Σ_k h(k) e^{-2πifk} at f = 0 … 0.5 cycles per token, evenly spaced: (F, points), complex.

        k counts from the first tap."""
        size = 2 * (points - 1)
        # Taps that lie whole periods of the grid apart meet the same e^{-2πifk}.
        folds = -(-self.taps.shape[1] // size)
        padded = torch.nn.functional.pad(self.taps, (0, folds * size - self.taps.shape[1]))
        response: Tensor = torch.fft.rfft(padded.unflatten(1, (folds, size)).sum(1))
        return response


@torch.no_grad()
def sequence_filters(model: SignalLLM | SignalClassifier) -> list[Filters]:
    """All filters along the sequence, in the order of the model's modules; kernels over the full context."""
    found: list[Filters] = []
    of_bands: dict[str, str] = {}
    for module_name, module in model.named_modules():
        parts = module_name.split(".")
        layer = int(parts[1]) if parts[0] == "blocks" and len(parts) > 1 else None
        name = of_bands.get(module_name) or ".".join(parts[3:])
        if isinstance(module, WaveletMixer):
            bands = [*(f"detail {level}" for level in range(1, module.levels + 1)), f"approximation {module.levels}"]
            of_bands |= {f"{module_name}.filters.{index}": band for index, band in enumerate(bands)}
            for family in module.families:
                responses = wavelet_responses(family, module.levels, module.causal)
                ahead = 0 if module.causal else responses[0].shape[1] // 2
                named = zip(bands, responses, strict=True)
                found.extend(Filters(module_name, band, layer, family, taps, ahead) for band, taps in named)
        if isinstance(module, ShortConvolution):
            ahead = module.ahead * module.dilation
            found.append(Filters(module_name, name or "taps", layer, LEARNED, _spread(module), ahead))
        elif isinstance(module, HasKernel):
            length = model.config.sequence_length
            taps = module.kernel(length).double().cpu()
            found.append(Filters(module_name, name or "kernel", layer, LEARNED, taps, taps.shape[1] - length))
        elif isinstance(module, HasResponses):
            taps = module.responses().double().cpu()
            found.append(Filters(module_name, name or "bank", layer, LEARNED, taps, module.ahead))
    return found


def wavelet_responses(wavelet: str, levels: int, causal: bool = True) -> list[Tensor]:
    """Impulse responses of the bands d_1 … d_J, a_J of either decomposition, each (1, K) in float64; the present is
    first where it is causal, else in the middle."""
    longest = sum(reach(wavelet, level) for level in range(1, levels + 1))
    impulse = torch.zeros(1, 1 + longest if causal else 1 + 2 * longest, 1, dtype=torch.float64)
    impulse[0, 0 if causal else longest] = 1
    decomposition = causal_decomposition if causal else two_sided_decomposition
    return [band[:, :, 0] for band in decomposition(impulse, wavelet, levels)]


def impulse_frame(filters: list[Filters], channels: int = 8) -> pd.DataFrame:
    """One row per tap: `module`, `filter`, `layer`, `origin`, `channel` (or number in a bank), `lag` in tokens,
    `value`; at most `channels` channels of each filter, evenly spread."""
    frames = []
    for one in filters:
        count, length = one.taps.shape
        chosen = np.unique(np.linspace(0, count - 1, min(channels, count)).round().astype(int))
        columns = {
            "channel": np.repeat(chosen, length),
            "lag": np.tile(np.arange(length) - one.ahead, len(chosen)),
            "value": one.taps[chosen].numpy().ravel(),
        }
        frames.append(_named(one, columns))
    return _together(frames, ["channel", "lag", "value"])


def response_frame(filters: list[Filters], points: int = 257) -> pd.DataFrame:
    """One row per filter and frequency: `module`, `filter`, `layer`, `origin`, `frequency` in cycles per token,
    and the gain |H|: `gain` (median), `low`, `high` (10th and 90th percentile) over channels."""
    frames = []
    for one in filters:
        low, median, high = np.quantile(one.response(points).abs().numpy(), [LOW, 0.5, HIGH], axis=0)
        columns = {"frequency": np.linspace(0, 0.5, points), "gain": median, "low": low, "high": high}
        frames.append(_named(one, columns))
    return _together(frames, ["frequency", "gain", "low", "high"])


# A lag or period stands out whose energy is so many decibels above the valleys around it.
PROMINENCE, MOST_PEAKS = 3.0, 3


def peaks(filters: list[Filters], points: int = 1025) -> tuple[list[int], list[float]]:
    """Lags and periods in tokens at which the energies of filters stand out, the most prominent first.

    Each filter counts alike, whatever its energy. The present (lag 0) and the constant are not told of, nor are lags
    of filters whose taps lie apart.
    """
    ahead = max((one.ahead for one in filters), default=0)
    longest = max((one.taps.shape[1] - one.ahead for one in filters), default=0)
    by_lag, by_frequency = np.zeros(ahead + longest), np.zeros(points)
    for one in filters:
        energies = one.taps.square()
        whole = energies.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        if bool((energies.sum(0) > 0).all()):
            first = ahead - one.ahead
            by_lag[first : first + one.taps.shape[1]] += (energies / whole).sum(0).numpy()
        by_frequency += (one.response(points).abs().square() / whole).sum(0).numpy()
    frequencies = [place / (2 * (points - 1)) for place in _standing_out(by_frequency)]
    lags = [place - ahead for place in _standing_out(by_lag) if place != ahead]
    return lags[:MOST_PEAKS], [1 / frequency for frequency in frequencies[:MOST_PEAKS]]


def _standing_out(energy: np.ndarray) -> list[int]:
    """Places of prominent maxima, not of the ends."""
    from scipy.signal import find_peaks

    if not energy.any():
        return []
    decibels = 10 * np.log10(np.maximum(energy, energy.max() * 1e-6))
    places, found = find_peaks(decibels, prominence=PROMINENCE)
    return [int(places[index]) for index in np.argsort(-found["prominences"], kind="stable")]


@torch.no_grad()
def channel_filter_frame(model: SignalLLM | SignalClassifier) -> pd.DataFrame:
    """Spectral filters of feed-forwards, one row per layer and frequency: `layer`, `cycles` across the channels,
    `gain` |W|, `phase` in radians, `mixing`, the share α of the spectral part."""
    frames = []
    for layer, block in enumerate(model.blocks):
        feedforward = block.get_submodule("feedforward")
        if isinstance(feedforward, SpectralFeedForward):
            weight = torch.view_as_complex(feedforward.filter.double().cpu().contiguous()).clone()
            # Of the constant and, for even widths, of the highest frequency a real signal has no imaginary part.
            ends = [0] if model.config.width % 2 else [0, -1]
            weight.imag[ends] = 0
            columns = {
                "layer": layer,
                "cycles": np.arange(len(weight)),
                "gain": weight.abs().numpy(),
                "phase": weight.angle().numpy(),
                "mixing": float(feedforward.mixing),
            }
            frames.append(pd.DataFrame(columns))
    columns_of_all = ["layer", "cycles", "gain", "phase", "mixing"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns_of_all)


def _spread(module: ShortConvolution) -> Tensor:
    """Taps of a dilated convolution with the zeros between them, (C, past + 1)."""
    taps = torch.zeros(module.weight.shape[1], module.past + 1, dtype=torch.float64)
    taps[:, :: module.dilation] = module.weight.double().cpu().T
    return taps


def _named(one: Filters, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    about = {"module": one.module, "filter": one.name, "layer": one.layer, "origin": one.origin}
    return pd.DataFrame(about | columns).astype({"layer": "Int64"})


def _together(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    if not frames:
        return pd.DataFrame(columns=["module", "filter", "layer", "origin", *columns])
    return pd.concat(frames, ignore_index=True)
