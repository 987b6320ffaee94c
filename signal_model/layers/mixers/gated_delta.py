"""The gated delta rule: each token corrects what a decaying state answers to its key."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import GatedDeltaConfig, ModelConfig
from signal_model.layers.mixers.decays import PacedDecays
from signal_model.layers.mixers.gated_state import GatedStateMixer, by_head
from signal_model.layers.registry import implements
from signal_model.transforms.gated_delta import gated_delta_sums
from signal_model.transforms.precision import wide


@implements(GatedDeltaConfig)
class GatedDeltaMixer(GatedStateMixer):
    """z_t = S_tᵀ q_t of S_t = e^{-a_t} (I - β_t k_t k_tᵀ) S_{t-1} + β_t k_t v_tᵀ, per head, and
    y = W_o (silu(gate) ⊙ rms(z)).

    q, k, v = silu(short convolution of W x), q and k of norm 1; a = A softplus(w·x + b) and β = σ(u·x) are per head and
    token (Yang, Kautz & Hatamizadeh 2024, arXiv 2412.06464). Settings that are not given are theirs.
    """

    def __init__(self, config: GatedDeltaConfig, model: ModelConfig) -> None:
        super().__init__(model.width, config.heads, *config.channels(model.width), config.short_convolution)
        self.decays = PacedDecays(model.width, config.heads)
        self.short.draw_taps()
        self.strength = nn.Parameter(torch.randn(config.heads, model.width) / math.sqrt(3 * model.width))  # u

    def read_all(self, filtered: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        read, state = gated_delta_sums(*by_head(*self._heads(filtered), *self._rates(x)))
        return read.transpose(1, 2), state

    def read_next(self, filtered: Tensor, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self._heads(filtered)
        decay, strength = self._rates(x)
        state = (-decay).exp()[..., None, None] * state
        lacking = value - (key[..., None, :] @ state)[..., 0, :]
        state = state + (strength[..., None] * key)[..., None] * lacking[..., None, :]
        return (query[..., None, :] @ state)[..., 0, :], state

    def _heads(self, filtered: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query and key (…, H, K) of norm 1, and value (…, H, V)."""
        query, key, value = self.split(F.silu(filtered))
        return F.normalize(query, dim=-1), F.normalize(key, dim=-1), value

    def _rates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Decay a and strength β, both (…, H)."""
        strength: Tensor = torch.sigmoid(F.linear(wide(x), wide(self.strength)))
        return self.decays(x), strength
