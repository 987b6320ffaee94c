"""Short causal convolutions with learned taps, one filter per channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ShortConvolution(nn.Module):
    """y_c(t) = Σ_k w_kc x_c(t - k · dilation): depthwise and causal.

    Starts as a slightly disturbed identity. The state for one step at a time is the
    (taps - 1) · dilation most recent inputs.
    """

    def __init__(self, channels: int, taps: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        weight = torch.randn(taps, channels) * 0.1 / math.sqrt(taps)
        weight[0] += 1
        self.weight = nn.Parameter(weight)

    @property
    def past(self) -> int:
        """How many tokens back the filter looks."""
        return (self.weight.shape[0] - 1) * self.dilation

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, T, C)."""
        length = x.shape[1]
        padded = F.pad(x, (0, 0, self.past, 0))
        output = x * self.weight[0]
        # Taps that reach back before the start meet zeros only.
        for k in range(1, min(self.weight.shape[0], (length - 1) // self.dilation + 1)):
            start = self.past - k * self.dilation
            output = torch.addcmul(output, padded[:, start : start + length], self.weight[k])
        return output

    def start(self, batch: int) -> Tensor:
        """The past before the first token: zeros, (batch, past, C)."""
        return self.weight.new_zeros(batch, self.past, self.weight.shape[1])

    def step(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """One position: (B, C) and the past, oldest first → output (B, C) and the new past."""
        window = torch.cat([past, x[:, None]], dim=1)
        output = (window.flip(1)[:, :: self.dilation] * self.weight).sum(1)
        return output, window[:, 1:]
