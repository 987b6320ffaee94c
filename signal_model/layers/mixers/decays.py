"""How fast a state decays: a rate per head, at a pace that each token chooses."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.transforms.precision import wide

# Drawn from these before training, the paces evenly on a logarithmic scale (Dao & Gu 2024, Mamba-2): decay times from
# less than one token to a thousand.
RATES, PACES = (1.0, 16.0), (1e-3, 1e-1)


class PacedDecays(nn.Module):
    """a = A Δ with Δ = softplus(w·x + b), per head and token (Mamba-2, Dao & Gu 2024)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        # No linear map: its rows are rates of single heads, which Muon would make orthogonal.
        self.weight = nn.Parameter(torch.randn(heads, width) / math.sqrt(3 * width))  # w
        self.log_rate = nn.Parameter(torch.empty(heads).uniform_(*RATES).log())  # log A
        pace = torch.empty(heads).uniform_(*map(math.log, PACES)).exp()
        self.bias = nn.Parameter(pace + (-torch.expm1(-pace)).log())  # b, whose softplus is the pace

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → a, (…, H)."""
        chosen = F.linear(wide(x), wide(self.weight), wide(self.bias))
        # The softplus; the gradient of `F.softplus` is not laid out as torch.compile expects it (torch 2.13).
        pace = torch.logaddexp(chosen, chosen.new_zeros(()))
        decay: Tensor = wide(self.log_rate).exp() * pace
        return decay
