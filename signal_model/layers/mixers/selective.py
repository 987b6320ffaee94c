"""Damped rotating states whose decay and phase depend on the token."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import ModelConfig, SelectiveConfig
from signal_model.layers.convolution import ShortConvolution, latest
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.registry import implements
from signal_model.transforms.harmonics import spaced
from signal_model.transforms.selective import selective_sums, turn

# Rates begin near those of the config: chosen freely from the start, they train to nothing.
INITIAL_SELECTION = 0.1


@implements(SelectiveConfig)
class SelectiveMixer(Mixer):
    """y = W_o (silu(gate) ⊙ rms(z)), z_t = S_tᵀ q_t, S_t = e^{-a_t} R(-θ_t) S_{t-1} + g_t k_t v_tᵀ, per head.

    q = rms(W_q x) + b_q and k = rms(W_k x) + b_k have K pairs, which R(-θ) turns. A token chooses the pace
    Δ = 2σ(w·x), so that the state decays by a = λΔ and turns by θ_i = ω_i Δ + π tanh(u_i·x), and
    g = sqrt((1 - e^{-2a}) / 2K) keeps its size. Without selection, and with b_k = (1, 0) alone for k, kernels are
    the damped harmonics of the harmonic mixer. Kin are gated linear attention (Yang et al. 2024) and Mamba-3
    (arXiv 2603.15569).

    The state is S, 2K numbers per channel, and the past of the short convolution.
    """

    def __init__(self, config: SelectiveConfig, model: ModelConfig) -> None:
        super().__init__()
        width, self.heads, self.bases = model.width, config.heads, config.bases
        keys = 2 * self.heads * self.bases
        self.sizes = (keys, keys, width)
        self.project = nn.Linear(width, 2 * keys + 2 * width, bias=False)
        self.short = ShortConvolution(2 * keys + width, config.short_convolution)
        self.output = nn.Linear(width, width, bias=False)
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

    def forward(self, x: Tensor) -> Tensor:
        return self._mix(x)[0]

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        output, sums, projected = self._mix(x)
        return output, [latest(projected, self.short.past), sums]

    def start(self, batch: int) -> State:
        channels = self.output.in_features // self.heads
        sums = self.log_decay.new_zeros(batch, self.heads, 2 * self.bases, channels)
        return [self.short.start(batch), _wide(sums)]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        projected, gate = self._projected(x)
        filtered, past = self.short.step(projected, state[0])
        query, key, value = self._heads(filtered)  # (B, H, …)
        decay, angle, gain = self._rates(x)
        turned = turn(state[1], angle.cos()[..., None], -angle.sin()[..., None], -2)
        sums = (-decay).exp()[..., None, None] * turned + (gain[..., None] * key)[..., None] * value[..., None, :]
        mixed = (query[..., None, :] @ sums)[..., 0, :]
        return self._finish(gate, mixed), [past, sums]

    def _mix(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) → the output, the last state (B, H, 2K, D / H), and what the short convolution was given."""
        projected, gate = self._projected(x)
        filtered = self.short(projected)
        with torch.autocast(x.device.type, enabled=False):
            query, key, value = (part.transpose(1, 2) for part in self._heads(filtered))
            decay, angle, gain = (part.transpose(1, 2) for part in self._rates(x))
            mixed, sums = selective_sums(query, gain[..., None] * key, value, decay, angle)
        return self._finish(gate, mixed.transpose(1, 2)), sums, projected

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(…, D) → query, key and value as one, and the gate (…, D)."""
        projected, gate = self.project(x).split([sum(self.sizes), self.sizes[2]], dim=-1)
        return projected, gate

    def _heads(self, filtered: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query and key (…, H, 2K), of unit mean square but for their biases, and value (…, H, D / H)."""
        query, key, value = (_wide(part).unflatten(-1, (self.heads, -1)) for part in filtered.split(self.sizes, dim=-1))
        query, key = (F.rms_norm(part, part.shape[-1:]) for part in (query, key))
        if self.query_bias is not None and self.key_bias is not None:
            query, key = query + self.query_bias.to(query.dtype), key + self.key_bias.to(key.dtype)
        return query, key, value

    def _rates(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decay a (…, H), angle θ (…, H, K) and gain g (…, H) at each position."""
        x = _wide(x)
        decay, frequency = _wide(self.log_decay).exp(), _wide(self.log_frequency).exp()
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

    def _finish(self, gate: Tensor, mixed: Tensor) -> Tensor:
        """Gate (…, D) and sums (…, H, D / H) → (…, D)."""
        normed = F.rms_norm(mixed, mixed.shape[-1:]).flatten(-2)
        result: Tensor = self.output(F.silu(gate) * normed.to(gate.dtype))
        return result


def _wide(tensor: Tensor) -> Tensor:
    """At least in float32: sums over a long past and small rates need it."""
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor
