"""Attention in the frequency domain: queries, keys and values convolved with one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import FourierAttentionConfig, ModelConfig
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.registry import implements
from signal_model.transforms.fourier import pair_convolution, triple_convolution
from signal_model.transforms.harmonics import spaced
from signal_model.transforms.precision import wide


@implements(FourierAttentionConfig)
class FourierAttention(Mixer):
    """y = W_o (silu(g) ⊙ norm(z)) with z(t) = Σ_{i+j+l = t} e^{-λ(i+j)} q(i) k(j) v(l) / N(t), channel by channel.

    q and k have unit mean square in each head, as in the attention this stands beside. The triple convolution
    is irfft(rfft(q̃) · rfft(k̃) · rfft(v)), padded to three times the length, so that nothing wraps around. Early
    queries and keys act as a kernel, computed from the text itself, on the values; each head has a decay λ of
    its own. N(t)² = Σ_{m ≤ t} (m+1) e^{-2λm} is what z has for uncorrelated inputs of unit size, so that z keeps
    its size over positions; the norm, over the channels of a head, bounds it for any input. g is the gate of
    the present token.

    The sum runs over all of the past with no recurrence of fixed size: the state is q̃, k̃ * q̃ and v
    of all positions so far, and a step costs O(t), as attention's does.
    """

    def __init__(self, config: FourierAttentionConfig, model: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.project = nn.Linear(model.width, 4 * model.width, bias=False)
        self.log_decay = nn.Parameter(-spaced(config.timescales, config.heads, "log").log())  # (H,), per token
        self.output = nn.Linear(model.width, model.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self._convolve(x)[0]

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        output, queries, keys, values = self._convolve(x)
        return output, [queries, keys, values, pair_convolution(queries, keys)]

    def start(self, batch: int) -> State:
        empty = wide(self.output.weight.new_zeros(batch, 0, self.output.in_features))
        return [empty, empty, empty, empty]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        gate, query, key, value = self._parts(x)
        damping, size = (self._per_channel(values[-1]) for values in self._envelope(state[0].shape[1] + 1))
        full = damping.dtype
        queries = torch.cat([state[0], (query.to(full) * damping)[:, None]], dim=1)
        keys = torch.cat([state[1], (key.to(full) * damping)[:, None]], dim=1)
        values = torch.cat([state[2], value.to(full)[:, None]], dim=1)
        kernel = torch.cat([state[3], (queries * keys.flip(1)).sum(1, keepdim=True)], dim=1)
        triple = (kernel * values.flip(1)).sum(1)
        return self._finish(gate, triple / size), [queries, keys, values, kernel]

    def _convolve(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, T, D) → the output and the q̃, k̃ and v that were convolved, each (B, T, D)."""
        gate, query, key, value = self._parts(x)
        damping, size = map(self._per_channel, self._envelope(x.shape[1]))
        full = damping.dtype
        factors = query.to(full) * damping, key.to(full) * damping, value.to(full)
        return self._finish(gate, triple_convolution(*factors) / size), *factors

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gate, query, key and value, each (..., D); query and key of unit mean square in each head."""
        gate, query, key, value = self.project(x).chunk(4, dim=-1)
        return gate, self._normed(query), self._normed(key), value

    def _normed(self, x: Tensor) -> Tensor:
        per_head = x.unflatten(-1, (self.heads, -1))
        return F.rms_norm(per_head, per_head.shape[-1:]).flatten(-2)

    def _envelope(self, length: int) -> tuple[Tensor, Tensor]:
        """e^{-λt} and N(t), both (T, H), at least in float32."""
        log_decay = wide(self.log_decay)
        time = torch.arange(length, device=log_decay.device, dtype=log_decay.dtype)[:, None]
        damping = torch.exp(-time * log_decay.exp())
        size = ((time + 1) * damping.square()).cumsum(0).sqrt()
        return damping, size

    def _per_channel(self, values: Tensor) -> Tensor:
        """A value for each head, (..., H), to one for each channel, (..., D)."""
        return values.repeat_interleave(self.output.in_features // self.heads, dim=-1)

    def _finish(self, gate: Tensor, mixed: Tensor) -> Tensor:
        result: Tensor = self.output(F.silu(gate) * self._normed(mixed).to(gate.dtype))
        return result
