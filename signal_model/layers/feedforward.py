"""What happens within a position: a plain network and a spectral one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from signal_model.config import FeedForwardConfig, MLPConfig, ModelConfig, SpectralFeedForwardConfig
from signal_model.layers.registry import build, implements
from signal_model.transforms.precision import wide


@implements(MLPConfig)
class MLP(nn.Module):
    """W_2 act(W_1 x), with act GELU or squared ReLU (So et al. 2021), or W_2 (silu(W_1 x) ⊙ W_3 x)
    for SwiGLU (Shazeer 2020). (..., D) → (..., D)."""

    def __init__(self, config: FeedForwardConfig, model: ModelConfig) -> None:
        super().__init__()
        self.activation = config.activation
        hidden = max(1, round(config.expansion * model.width))
        self.input = nn.Linear(model.width, 2 * hidden if config.activation == "swiglu" else hidden, bias=False)
        self.output = nn.Linear(hidden, model.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.input(x)
        if self.activation == "gelu":
            hidden = F.gelu(hidden)
        elif self.activation == "relu2":
            hidden = F.relu(hidden).square()
        else:
            gate, value = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * value
        result: Tensor = self.output(hidden)
        return result


@implements(SpectralFeedForwardConfig)
class SpectralFeedForward(nn.Module):
    """(1 - α) MLP(x) + α irfft(W ⊙ rfft(x)) along the channels, never along positions; α is learned.

    After the global filter of Rao et al. (2021), turned from positions to channels.
    """

    def __init__(self, config: SpectralFeedForwardConfig, model: ModelConfig) -> None:
        super().__init__()
        self.mlp = MLP(config, model)
        # Real and imaginary parts. Scaled down with depth, as everything that writes into the residual stream.
        self.filter = nn.Parameter(torch.randn(model.width // 2 + 1, 2) / math.sqrt(4 * model.depth))
        self.mixing_logit = nn.Parameter(torch.tensor(math.log(config.mixing / (1 - config.mixing))))

    @property
    def mixing(self) -> Tensor:
        """Share α of the spectral part, between 0 and 1."""
        return torch.sigmoid(self.mixing_logit)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(wide(x), norm="ortho") * torch.view_as_complex(wide(self.filter))
        filtered = torch.fft.irfft(spectrum, n=x.shape[-1], norm="ortho")
        plain: Tensor = self.mlp(x)
        return torch.lerp(plain, filtered.to(plain.dtype), self.mixing.to(plain.dtype))


def build_feedforward(config: FeedForwardConfig, model: ModelConfig) -> nn.Module:
    """The feed-forward that `config` describes."""
    return build(config, model)
