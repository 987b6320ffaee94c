"""Where a token stands: rotary angles for attention, and a learned signal over the sequence."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from signal_model.config import ModelConfig, NoPositionsConfig, PositionsConfig, SignalPositionsConfig
from signal_model.layers.frequencies import WithFrequencies
from signal_model.layers.registry import build, implements
from signal_model.transforms.harmonics import spaced
from signal_model.transforms.precision import wide

# Small beside the embedding, which enters at unit mean square.
INITIAL_SCALE = 0.02


def rotary_frequencies(channels: int, device: torch.device, base: float = 10000.0) -> Tensor:
    """Radians per token of each pair of channels (Su et al. 2021, RoFormer): (channels / 2,) in float32."""
    return base ** -(torch.arange(0, channels, 2, device=device, dtype=torch.float32) / channels)


def rotary_angles(positions: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of position × frequency: (T,) and (C / 2,) → two (T, C / 2) in float32."""
    angle = positions.float()[:, None] * frequencies
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn channel pairs (c, c + C/2) of x (..., T, C) by each position's angles."""
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


@implements(SignalPositionsConfig)
class SignalPositions(WithFrequencies):
    """P(t) = Σ_i (α_i sin ω_i t + β_i cos ω_i t), with coefficients α_i, β_i in D channels.

    The sinusoids of Vaswani et al. (2017, section 3.5) with the frequencies and their weight in
    each channel learned instead of fixed: 2·B·D + B parameters, and no longest position.
    """

    def __init__(self, config: SignalPositionsConfig, model: ModelConfig) -> None:
        super().__init__()
        frequencies = 2 * math.pi * spaced(config.frequencies, config.bases, config.spacing)
        self.frequencies = nn.Parameter(frequencies, requires_grad=config.learnable_frequencies)  # radians per token
        scale = INITIAL_SCALE / math.sqrt(config.bases)
        self.coefficients = nn.Parameter(torch.randn(2 * config.bases, model.width) * scale)

    def forward(self, positions: Tensor) -> Tensor:
        """Positions (T,) → (T, D)."""
        # Half precision would round both the positions and their angles.
        frequencies = wide(self.frequencies)
        angle = positions.to(frequencies.dtype)[:, None] * frequencies
        signal = torch.cat([angle.sin(), angle.cos()], dim=-1)
        return signal.to(self.coefficients.dtype) @ self.coefficients


def build_positions(config: PositionsConfig, model: ModelConfig) -> nn.Module | None:
    """The positions that `config` describes."""
    return None if isinstance(config, NoPositionsConfig) else build(config, model)
