"""What every mixer offers: a form for training and one for generation that compute the same."""

from __future__ import annotations

import torch
from torch import Tensor

from signal_model.config import MixerConfig, ModelConfig
from signal_model.layers.constants import WithConstants
from signal_model.layers.registry import build

State = list[Tensor]


class Mixer(WithConstants):
    """Base of mixers. Output at position t depends on inputs at positions ≤ t only, if the model is causal.

    A mixer whose config is `two_sided` has another form for models that are not, `forward(x, present)`. `present`
    (B, T, 1) is 1 where there is a position, and 0 behind the end of a sequence that is shorter than others beside it;
    it is None where all are as long. x is 0 there, and outputs before are those of the sequence alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once, (B, T, D) → (B, T, D)."""
        raise NotImplementedError

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        """All positions of a beginning, (B, T, D) → (B, T, D) and the state after the last of them; if causal.

        Here step by step; mixers override it with their parallel form.
        """
        state = self.start(len(x))
        outputs = []
        for position in x.unbind(1):
            output, state = self.step(position, state)
            outputs.append(output)
        return torch.stack(outputs, dim=1), state

    def constants(self) -> tuple[Tensor, ...]:
        """None, unless a mixer has some."""
        return ()

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
