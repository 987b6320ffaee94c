"""Softmax attention, the strong baseline: over all of the past, or over a window of it; or over both sides."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import AttentionConfig, ModelConfig
from signal_model.layers.convolution import ShortConvolution, latest
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.positions import rotary_angles, rotary_frequencies, rotate
from signal_model.layers.registry import implements

# Largest logit before training, whatever the size of a head. Of 5, 10 and 20, and √(head size) which is what no scale
# comes to, 10 trains best; see docs/benchmarks/parts.md.
INITIAL_LOGIT = 10.0
# Up to here, cutting a sequence into blocks costs more than the pairs that it saves.
SHORT = 128


@implements(AttentionConfig)
class AttentionMixer(Mixer):
    """Multi-head attention (Vaswani et al. 2017) with rotary positions (Su et al. 2021),
    query-key normalisation with a learned scale per head (Henry et al. 2020) and, if asked for, a short
    convolution on q, k, v (So et al. 2021, Primer) and a sliding window (Beltagy et al. 2020). Where the model is not
    causal, it is over all positions, or over a window with its position in the middle.

    The state is the keys and values of all positions so far or, with a window of W tokens, of the
    last W - 1 and the number of those seen.
    """

    def __init__(self, config: AttentionConfig, model: ModelConfig) -> None:
        super().__init__()
        self.heads, self.window, self.rotary = config.heads, config.window, config.rotary
        self.causal = model.causal
        self.ahead = 0 if model.causal or config.window is None else (config.window - 1) // 2
        self.project = nn.Linear(model.width, 3 * model.width, bias=False)
        taps = config.short_convolution
        self.short = ShortConvolution(3 * model.width, taps, causal=model.causal) if taps > 1 else None
        self.output = nn.Linear(model.width, model.width, bias=False)
        # Logits are scale · √(D / H) · cos(query, key): how sharply a head attends is learned, per head.
        start = INITIAL_LOGIT / math.sqrt(model.width // config.heads)
        self.log_scale = nn.Parameter(torch.full((config.heads,), math.log(start)))

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        return self._attend(self.project(x), present)[0]

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        projected = self.project(x)
        output, keys, values = self._attend(projected)
        state = [keys, values]
        if self.window is not None:
            kept = self.window - 1
            state = [latest(part.flatten(0, 1), kept).unflatten(0, part.shape[:2]) for part in state]
            state.append(torch.full((len(x),), x.shape[1], device=x.device))
        return output, state if self.short is None else [*state, latest(projected, self.short.past)]

    def constants(self) -> tuple[Tensor, ...]:
        """The scale of each head, (H, 1, 1), and the rotary frequencies."""
        channels = self.output.in_features // self.heads
        return self.log_scale.exp()[:, None, None], rotary_frequencies(channels, self.log_scale.device)

    def start(self, batch: int) -> State:
        width = self.output.in_features
        kept = 0 if self.window is None else self.window - 1
        empty = self.output.weight.new_zeros(batch, self.heads, kept, width // self.heads)
        state = [empty, empty]
        if self.window is not None:
            state.append(torch.zeros(batch, dtype=torch.long, device=empty.device))
        return state if self.short is None else [*state, self.short.start(batch)]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        keys, values, *rest = state
        projected = self.project(x)
        if self.short is not None:
            projected, rest[-1] = self.short.step(projected, rest[-1])
        seen = torch.full((1,), keys.shape[2], device=x.device) if self.window is None else rest[0]
        query, key, value = self._heads(projected[:, None], seen[:1])
        keys, values = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        if self.window is None:
            mixed = F.scaled_dot_product_attention(query, keys, values)
        else:
            # The places before the first token hold nothing yet.
            age = torch.arange(self.window - 1, -1, -1, device=x.device)
            mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=age <= seen[:, None, None, None])
            keys, values, rest[0] = keys[:, :, 1:], values[:, :, 1:], seen + 1
        return self._merge(mixed)[:, 0], [keys, values, *rest]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Weights that were trained before there was a scale had 1; those of something else, an adapter, leave it."""
        if f"{prefix}project.weight" in state_dict:
            state_dict.setdefault(f"{prefix}log_scale", torch.zeros_like(self.log_scale))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _attend(self, projected: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3D) → what the mixer gives, (B, T, D), and the keys and values (B, H, T, D / H) that it came from."""
        length = projected.shape[1]
        positions = torch.arange(length, device=projected.device)
        query, key, value = self._heads(projected if self.short is None else self.short(projected), positions)
        # What is compiled serves every length, also those that a window does not cut.
        if self.window is None or (not torch.compiler.is_compiling() and self._nearest_end(self.window) >= length):
            heard = None if self.causal or present is None else (present > 0).mT[:, None]  # (B, 1, 1, T)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=heard, is_causal=self.causal)
        else:
            mixed = windowed_attention(query, key, value, self.window, self.ahead, present)
        return self._merge(mixed), key, value

    def _nearest_end(self, window: int) -> int:
        """From how many tokens on a window cuts a sequence."""
        return window if self.causal else self.ahead + 1

    def _heads(self, projected: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, 3D) at positions (T,) → query, key, value, each (B, H, T, D / H); key of unit mean square, query of
        its head's scale, both turned by their position."""
        query, key, value = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        size = (query.shape[-1],)
        scale, frequencies = self.current_constants()
        query, key = (F.rms_norm(query, size) * scale).to(value.dtype), F.rms_norm(key, size).to(value.dtype)
        if self.rotary:
            angles = rotary_angles(positions, frequencies)
            query, key = rotate(query, *angles), rotate(key, *angles)
        return query, key, value

    def _merge(self, mixed: Tensor) -> Tensor:
        result: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return result


def windowed_attention(
    query: Tensor, key: Tensor, value: Tensor, window: int, ahead: int = 0, present: Tensor | None = None
) -> Tensor:
    """Attention of each position to `window` positions, itself and the `ahead` next ones included: O(T · window).

    All are (B, H, T, C) and so is the result; of `present` (B, T, 1) only what is above 0 is attended to. Unless it is
    short, the sequence is cut into blocks of `window` positions; each block meets its own keys and those around it, and
    a mask leaves the band.
    """
    batch, _, length, _ = query.shape
    blocks = -(-length // window)
    # Blocks would meet more pairs than there are; and what is compiled serves every length, cut or not.
    if torch.compiler.is_compiling() or length <= SHORT or 2 * blocks * window**2 >= length**2:
        distance = torch.arange(length, device=query.device)[:, None] - torch.arange(length, device=query.device)
        band = (distance >= -ahead) & (distance < window - ahead)
        mask = band if present is None else _or_all(band & (present > 0).mT[:, None])
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    missing = blocks * window - length
    before = window - ahead  # one more than is seen, for an even number of keys

    def blocked(x: Tensor, before: int, ahead: int) -> Tensor:
        """(B, T, …) → (B · blocks, …, before + window + ahead): each block with as many positions around it."""
        padded = F.pad(x, (*(0, 0) * (x.ndim - 2), before, missing + ahead))
        return padded.unfold(1, before + window + ahead, window).flatten(0, 1)

    def heads(x: Tensor, before: int = 0, ahead: int = 0) -> Tensor:
        """(B, H, T, C) → (B · blocks, H, before + window + ahead, C)."""
        return blocked(x.transpose(1, 2), before, ahead).transpose(2, 3)

    position = torch.arange(window, device=query.device)[:, None]
    other = torch.arange(2 * window, device=query.device)
    band = (other > position) & (other <= position + window)
    there = query.new_ones(batch, length, 1) if present is None else present
    mask = _or_all(band & (blocked(there, before, ahead) > 0))[:, None]
    mixed = F.scaled_dot_product_attention(heads(query), heads(key, before, ahead), heads(value, before, ahead), mask)
    joined = mixed.unflatten(0, (batch, blocks)).transpose(1, 2).flatten(2, 3)
    result: Tensor = joined[:, :, :length]
    return result


def _or_all(mask: Tensor) -> Tensor:
    """A row that would attend to nothing attends to all: it stands behind the end, and nobody reads it."""
    return mask | ~mask.any(-1, keepdim=True)
