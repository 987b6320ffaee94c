"""Damped rotating states whose decay and phase depend on the token."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import ModelConfig, SelectiveConfig
from signal_model.layers.frequencies import WithFrequencies
from signal_model.layers.mixers.gated_state import GatedStateMixer, by_head
from signal_model.layers.registry import implements
from signal_model.transforms.harmonics import spaced
from signal_model.transforms.precision import wide
from signal_model.transforms.selective import selective_sums, turn

# Rates begin near those of the config: chosen freely from the start, they train to nothing.
INITIAL_SELECTION = 0.1


@implements(SelectiveConfig)
class SelectiveMixer(WithFrequencies, GatedStateMixer):
    """y = W_o (silu(gate) ⊙ rms(z)), z_t = S_tᵀ q_t, S_t = e^{-a_t} R(-θ_t) S_{t-1} + g_t k_t v_tᵀ, per head.

    q = rms(W_q x) + b_q and k = rms(W_k x) + b_k have K pairs, which R(-θ) turns. A token chooses the pace
    Δ = 2σ(w·x), so that the state decays by a = λΔ and turns by θ_i = ω_i Δ + π tanh(u_i·x), and
    g = sqrt((1 - e^{-2a}) / 2K) keeps its size. Without selection, and with b_k = (1, 0) alone for k, kernels are
    the damped harmonics of the harmonic mixer. Kin are gated linear attention (Yang et al. 2024) and Mamba-3
    (arXiv 2603.15569).

    The state is S, 2K numbers per channel, and the past of the short convolution.
    """

    def __init__(self, config: SelectiveConfig, model: ModelConfig) -> None:
        width, keys = model.width, 2 * config.heads * config.bases
        super().__init__(width, config.heads, keys, width, config.short_convolution)
        self.bases = config.bases
        frequency = 2 * math.pi * spaced(config.frequencies, self.bases, config.spacing)
        self.log_frequency = nn.Parameter(frequency.log().repeat(self.heads, 1))  # (H, K), radians per token
        self.log_decay = nn.Parameter(-spaced(config.timescales, self.heads, "log").log())  # (H,), per token

        def selection(count: int, wanted: bool) -> nn.Parameter | None:
            if not wanted:
                return None
            return nn.Parameter(torch.randn(count, width) * INITIAL_SELECTION / math.sqrt(width))

        self.pace = selection(self.heads, config.select_decay)  # w
        self.phase = selection(self.heads * self.bases, config.select_phase)  # u
        biases = torch.randn(self.heads, 2 * self.bases), torch.ones(self.heads, 2 * self.bases)
        biases[1][:, self.bases :] = 0
        self.query_bias, self.key_bias = (nn.Parameter(bias) if config.bias else None for bias in biases)

    def read_all(self, filtered: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self._heads(filtered)
        decay, angle, gain = self._rates(x)
        read, state = selective_sums(*by_head(query, gain[..., None] * key, value, decay, angle))
        return read.transpose(1, 2), state

    def read_next(self, filtered: Tensor, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self._heads(filtered)
        decay, angle, gain = self._rates(x)
        turned = turn(state, angle.cos()[..., None], -angle.sin()[..., None], -2)
        state = (-decay).exp()[..., None, None] * turned + (gain[..., None] * key)[..., None] * value[..., None, :]
        return (query[..., None, :] @ state)[..., 0, :], state

    def _heads(self, filtered: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query and key (…, H, 2K), of unit mean square but for their biases, and value (…, H, D / H)."""
        query, key, value = self.split(filtered)
        query, key = (F.rms_norm(part, part.shape[-1:]) for part in (query, key))
        if self.query_bias is not None and self.key_bias is not None:
            query, key = query + self.query_bias.to(query.dtype), key + self.key_bias.to(key.dtype)
        return query, key, value

    def _rates(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decay a (…, H), angle θ (…, H, K) and gain g (…, H) at each position."""
        x = wide(x)
        decay, frequency = wide(self.log_decay).exp(), wide(self.log_frequency).exp()
        pace = x.new_ones(*x.shape[:-1], self.heads)
        if self.pace is not None:
            pace = 2 * torch.sigmoid(F.linear(x, self.pace.to(x.dtype)))
        angle = pace[..., None] * frequency
        if self.phase is not None:
            angle = angle + math.pi * torch.tanh(F.linear(x, self.phase.to(x.dtype))).unflatten(-1, (self.heads, -1))
        decay = pace * decay
        # The root of nothing has no derivative.
        share = -torch.expm1(-2 * decay).clamp(max=-torch.finfo(x.dtype).tiny)
        return decay, angle, torch.sqrt(share / (2 * self.bases))
