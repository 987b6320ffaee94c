"""Softmax attention, the strong baseline: rotary positions, normalised queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import AttentionConfig, ModelConfig
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.positions import rotary_angles, rotate
from signal_model.layers.registry import implements


@implements(AttentionConfig)
class AttentionMixer(Mixer):
    """Causal multi-head attention (Vaswani et al. 2017) with rotary positions and query-key
    normalisation (Henry et al. 2020). The state is the keys and values of all positions so far."""

    def __init__(self, config: AttentionConfig, model: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.project = nn.Linear(model.width, 3 * model.width, bias=False)
        self.output = nn.Linear(model.width, model.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self._heads(x)
        angles = rotary_angles(torch.arange(x.shape[1], device=x.device), query.shape[-1])
        mixed = F.scaled_dot_product_attention(rotate(query, *angles), rotate(key, *angles), value, is_causal=True)
        return self._merge(mixed)

    def start(self, batch: int) -> State:
        width = self.output.in_features
        empty = self.output.weight.new_zeros(batch, self.heads, 0, width // self.heads)
        return [empty, empty]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        query, key, value = self._heads(x[:, None])
        keys, values = state
        angles = rotary_angles(torch.tensor([keys.shape[2]], device=x.device), query.shape[-1])
        keys = torch.cat([keys, rotate(key, *angles)], dim=2)
        values = torch.cat([values, value], dim=2)
        mixed = F.scaled_dot_product_attention(rotate(query, *angles), keys, values)
        return self._merge(mixed)[:, 0], [keys, values]

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) → query, key, value, each (B, H, T, D / H); the first two of unit mean square."""
        batch, length, width = x.shape
        split = self.project(x).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        size = (query.shape[-1],)
        return F.rms_norm(query, size).to(value.dtype), F.rms_norm(key, size).to(value.dtype), value

    def _merge(self, mixed: Tensor) -> Tensor:
        result: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return result
