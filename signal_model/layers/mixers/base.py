"""What every mixer offers: a form for training and one for generation that compute the same."""

from __future__ import annotations

from torch import Tensor, nn

from signal_model.config import MixerConfig, ModelConfig
from signal_model.layers.registry import build

State = list[Tensor]


class Mixer(nn.Module):
    """Base of mixers. Output at position t depends on inputs at positions ≤ t only."""

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once, (B, T, D) → (B, T, D)."""
        raise NotImplementedError

    def start(self, batch: int) -> State:
        """The state before the first position: tensors of shape (batch, …)."""
        raise NotImplementedError

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One position: (B, D) and the state → (B, D) and the next state."""
        raise NotImplementedError


def build_mixer(config: MixerConfig, model: ModelConfig) -> Mixer:
    """The mixer that `config` describes."""
    module = build(config, model)
    assert isinstance(module, Mixer)
    return module
