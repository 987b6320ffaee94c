"""Gated linear attention with one decay per head and token, as of Mamba-2."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from signal_model.config import GatedLinearConfig, ModelConfig
from signal_model.layers.mixers.decays import PacedDecays
from signal_model.layers.mixers.gated_state import GatedStateMixer, by_head
from signal_model.layers.registry import implements
from signal_model.transforms.decaying_sums import decaying_sums


@implements(GatedLinearConfig)
class GatedLinearMixer(GatedStateMixer):
    """z_t = S_tᵀ q_t of S_t = e^{-a_t} S_{t-1} + a_t k_t v_tᵀ, per head, and y = W_o (silu(gate) ⊙ rms(z)).

    q, k, v = silu(short convolution of W x); a = A Δ and Δ = softplus(w·x + b) are per head and token, so that a token
    that is written strongly also lets the past decay. That is the state-space model of Mamba-2 (Dao & Gu 2024,
    arXiv 2405.21060), whose factor Δ differs by A, which the norm takes away. Each head has queries and keys of its
    own, and gate and norm are those of gated linear attention (Yang et al. 2023, arXiv 2312.06635). Like that, and
    unlike Mamba-2, it adds no v_t to z_t: with it layers learn to recall more slowly, see docs/benchmarks/parts.md.
    """

    def __init__(self, config: GatedLinearConfig, model: ModelConfig) -> None:
        super().__init__(model.width, config.heads, *config.channels(model.width), config.short_convolution)
        self.decays = PacedDecays(model.width, config.heads)
        self.short.draw_taps()

    def read_all(self, filtered: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self.split(F.silu(filtered))
        decay = self.decays(x)
        read, state = decaying_sums(*by_head(query, decay[..., None] * key, value, decay))
        return read.transpose(1, 2), state

    def read_next(self, filtered: Tensor, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = self.split(F.silu(filtered))
        decay = self.decays(x)
        state = (-decay).exp()[..., None, None] * state + (decay[..., None] * key)[..., None] * value[..., None, :]
        return (query[..., None, :] @ state)[..., 0, :], state
