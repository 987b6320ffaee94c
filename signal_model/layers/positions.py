"""Rotary positions (Su et al. 2021, RoFormer)."""

from __future__ import annotations

import torch
from torch import Tensor


def rotary_angles(positions: Tensor, channels: int, base: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Cosine and sine of position × frequency: (T,) → two (T, channels / 2) in float32."""
    exponent = torch.arange(0, channels, 2, device=positions.device, dtype=torch.float32) / channels
    angle = positions.float()[:, None] * base**-exponent
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn channel pairs (c, c + C/2) of x (..., T, C) by each position's angles."""
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)
