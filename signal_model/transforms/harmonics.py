"""Sinusoids: where their frequencies lie, what they look like, how damped ones decay."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from signal_model.config import Interval, Spacing

# O'Shaughnessy (1987): mel(f) = 2595 log10(1 + f / 700 Hz), customary up to 8 kHz. Frequencies here have
# other units, so the corner keeps its place relative to the top of the range.
MEL_CORNER = 700 / 8000


def spaced(interval: Interval, count: int, spacing: Spacing) -> Tensor:
    """`count` values from low to high (both included; their middle for a count of 1), float32, (count,).

    `linear`: equal steps. `log`: equal ratios. `mel`: linear well below 0.0875 × high and logarithmic
    above, after the mel scale of hearing.

    Examples:
        >>> spaced((1.0, 4.0), 3, "linear"), spaced((1.0, 4.0), 3, "log")
        (tensor([1.0000, 2.5000, 4.0000]), tensor([1., 2., 4.]))
    """
    low, high = interval
    corner = MEL_CORNER * high
    position = torch.linspace(0, 1, count, dtype=torch.float64) if count > 1 else torch.tensor([0.5]).double()
    if spacing == "linear":
        values = low + (high - low) * position
    elif spacing == "log":
        values = low * (high / low) ** position
    else:
        bottom, top = math.log1p(low / corner), math.log1p(high / corner)
        values = corner * torch.expm1(bottom + (top - bottom) * position)
    return values.float()


def channel_basis(frequencies: Tensor, channels: int) -> Tensor:
    """Sines, then cosines, over the channel grid τ_d = (d + ½) / D: (B,) → (2B, D).

    `frequencies` are cycles across the D channels. Rows are scaled by sqrt(2 / D), so that a row at a
    whole or half number of cycles has unit length.

    Examples:
        >>> rows = channel_basis(torch.tensor([1.0, 2.0]), 8)
        >>> torch.allclose(rows @ rows.T, torch.eye(4), atol=1e-6)  # whole cycles: orthonormal
        True
    """
    grid = (torch.arange(channels, device=frequencies.device, dtype=frequencies.dtype) + 0.5) / channels
    angle = 2 * math.pi * frequencies[:, None] * grid
    return torch.cat([angle.sin(), angle.cos()]) * math.sqrt(2 / channels)


def damped_harmonics(decay: Tensor, frequency: Tensor, length: int) -> Tensor:
    """e^{-λt} cos ωt, then e^{-λt} sin ωt, for t = 0 … length-1: two (..., B) → (..., 2B, length).

    `decay` λ is per token; `frequency` ω is in radians per token.
    """
    time = torch.arange(length, device=decay.device, dtype=decay.dtype)
    envelope = torch.exp(-decay[..., None] * time)
    angle = frequency[..., None] * time
    return torch.cat([envelope * angle.cos(), envelope * angle.sin()], dim=-2)
