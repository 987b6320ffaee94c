"""What a set of vectors looks like over frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from signal_model.transforms.precision import wide


def spectral_roughness(vectors: Tensor) -> Tensor:
    """Mean squared frequency of vectors (..., D) along the channels, weighted by power: a scalar in [0, 1].

    0 for constant vectors, 1 for such as change sign from channel to channel, 1/3 for white noise (D large):
    Σ_f p(f) (f / f_max)² with p(f) the share of a vector's power at frequency f, averaged over the vectors.

    Examples:
        >>> spectral_roughness(torch.ones(1, 8)).item(), spectral_roughness(torch.tensor([[1.0, -1.0] * 4])).item()
        (0.0, 1.0)
    """
    full = wide(vectors)
    width = full.shape[-1]
    spectrum = torch.fft.rfft(full)
    # All but the constant and, for an even width, the last frequency stand for two of the whole spectrum.
    power = spectrum.real.square() + spectrum.imag.square()
    last = power[..., -1:] if width % 2 == 0 else 2 * power[..., -1:]
    power = torch.cat([power[..., :1], 2 * power[..., 1:-1], last], dim=-1)
    position = torch.arange(power.shape[-1], device=power.device, dtype=power.dtype) / (width / 2)
    shares = power / power.sum(-1, keepdim=True).clamp_min(torch.finfo(power.dtype).tiny)
    return (shares * position.square()).sum(-1).mean()
