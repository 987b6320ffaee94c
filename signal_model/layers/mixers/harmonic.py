"""A gated long convolution whose kernels are sums of damped harmonics."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from signal_model.config import HarmonicConfig, ModelConfig
from signal_model.layers.convolution import ShortConvolution, gated_depthwise, latest
from signal_model.layers.frequencies import WithFrequencies
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.registry import implements
from signal_model.transforms.harmonic_convolution import (
    harmonic_convolution,
    harmonic_sums,
    two_sided_harmonic_convolution,
    two_sided_kernel,
)
from signal_model.transforms.harmonics import damped_harmonics, spaced
from signal_model.transforms.precision import wide


@implements(HarmonicConfig)
class HarmonicMixer(WithFrequencies, Mixer):
    """y = W_o (q ⊙ (h * (k ⊙ v))) with h_c(t) = Σ_i g_i e^{-λ_i t} (α_ci cos ω_i t + β_ci sin ω_i t).

    The H heads have B pairs (λ, ω) each, shared by the head's channels; α and β are per channel, so
    all kernels are one product of coefficients with a basis. g_i = sqrt(1 - e^{-2λ_i}) keeps the
    energy of a harmonic independent of its decay (Orvieto et al. 2023, eq. 7). Gating and short
    convolutions on q, k, v are those of Hyena (Poli et al. 2023) and H3 (Fu et al. 2023).

    Where the model is not causal, h is such a sum of |t| at t ≥ 0 and another, with α and β of its own, at t < 0.

    Training convolves in chunks, O(T log T) at most. Generation carries B complex numbers per
    channel: s ← e^{-λ + iω} s + k ⊙ v, read out by the coefficients.
    """

    def __init__(self, config: HarmonicConfig, model: ModelConfig) -> None:
        super().__init__()
        width, heads, bases = model.width, config.heads, config.bases
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.short = ShortConvolution(3 * width, config.short_convolution, causal=model.causal)
        self.output = nn.Linear(width, width, bias=False)
        # Low frequencies decay slowly and high ones fast, as the scales of a wavelet do.
        frequency = 2 * math.pi * spaced(config.frequencies, bases, config.spacing)
        decay = 1 / spaced(config.timescales, bases, "log").flip(0)
        self.log_frequency = nn.Parameter(frequency.log().repeat(heads, 1))  # (H, B), radians per token
        self.log_decay = nn.Parameter(decay.log().repeat(heads, 1))  # (H, B), per token
        # α, then β, of the channels of each head; then, where there are two sides, those of t < 0
        self.causal, sides = model.causal, 1 if model.causal else 2
        coefficients = torch.randn(heads, width // heads, 2 * sides * bases)
        self.coefficients = nn.Parameter(coefficients / math.sqrt(sides * bases))

    def kernel(self, length: int) -> Tensor:
        """h, (D, length), or (D, 2 · length - 1) from t = 1 - length on, at least in float32."""
        decay, frequency = self._rates()
        if not self.causal:
            return two_sided_kernel(decay, frequency, self._gains(decay), length)
        basis = damped_harmonics(decay, frequency, length)
        return torch.einsum("hcb,hbt->hct", self._gains(decay), basis).flatten(0, 1)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        return self._convolve(self.project(x), present)[0]

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        projected = self.project(x)
        output, update = self._convolve(projected)
        sums = harmonic_sums(update, *self._rates()).unflatten(2, (2, -1)).permute(0, 1, 4, 2, 3).flatten(3)
        return output, [latest(projected, self.short.past), sums]

    def constants(self) -> tuple[Tensor, ...]:
        """Cosine and sine of one token's turn, both (H, 1, B), damped, and the gains (H, C, 2B)."""
        decay, frequency = self._rates()
        cosine, sine = damped_harmonics(decay, frequency, 2)[:, None, :, 1].chunk(2, dim=-1)
        return cosine, sine, self._gains(decay)

    def start(self, batch: int) -> State:
        heads, channels, bases = self.coefficients.shape
        # Real parts, then imaginary parts, of each harmonic's sum.
        return [self.short.start(batch), wide(self.log_decay.new_zeros(batch, heads, channels, bases))]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        projected, past = self.short.step(self.project(x), state[0])
        query, key, value = projected.chunk(3, dim=-1)
        cosine, sine, gains = self.current_constants()
        real, imaginary = state[1].chunk(2, dim=-1)  # (batch, H, C, B)
        update = (key * value).view(*real.shape[:3], 1)
        turned = [
            real * cosine - imaginary * sine + update,
            real * sine + imaginary * cosine,
        ]
        sums = torch.cat(turned, dim=-1)
        mixed = torch.einsum("nhcb,hcb->nhc", sums, gains.to(sums.dtype)).flatten(1)
        return self.output(query * mixed.to(query.dtype)), [past, sums]

    def _convolve(self, projected: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(B, T, 3D) → the output and the convolved k ⊙ v, both (B, T, D)."""
        query, update = gated_depthwise(projected, self.short.weight, self.short.ahead)
        update = update if present is None else update * present
        decay, frequency = self._rates()
        convolution = harmonic_convolution if self.causal else two_sided_harmonic_convolution
        mixed = convolution(update, decay, frequency, self._gains(decay))
        return self.output(query * mixed), update

    def _rates(self) -> tuple[Tensor, Tensor]:
        """λ and ω, (H, B): in half precision neighbouring slow harmonics would fall together."""
        return wide(self.log_decay).exp(), wide(self.log_frequency).exp()

    def _gains(self, decay: Tensor) -> Tensor:
        """Coefficients with g_i multiplied in, (H, C, 2B), or (H, C, 4B) of two sides."""
        gain = torch.sqrt(-torch.expm1(-2 * decay))
        return self.coefficients.to(decay.dtype) * gain.repeat(1, 2 if self.causal else 4)[:, None]
