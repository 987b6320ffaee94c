"""A mixer: gated moving averages of the past, of as many lengths as there are heads."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from signal_model.config import MixerConfig, ModelConfig
from signal_model.layers.mixers import Mixer, State
from signal_model.layers.registry import implements
from signal_model.support.settings import Misfit, ModelSize
from signal_model.transforms.fourier import causal_convolution


class MovingAverageConfig(MixerConfig):
    """Gated exponential moving averages."""

    kind: Literal["moving_average"] = "moving_average"
    heads: int = Field(4, ge=1, le=2**16, description="Groups of channels with a time of their own")
    longest: float = Field(32.0, gt=1, le=1e6, description="Longest time at the start, tokens; the shortest is one")

    def check(self, size: ModelSize) -> None:
        if size.width % self.heads:
            raise Misfit("heads", f"must divide the width of {size.width}, got {self.heads}")


@implements(MovingAverageConfig)
class MovingAverage(Mixer):
    """y_t = W (silu(g_t) ⊙ m_t), m_t = a m_{t-1} + (1 - a) v_t; g and v are linear in x, a is learned for each head."""

    def __init__(self, config: MovingAverageConfig, model: ModelConfig) -> None:
        super().__init__()
        times = torch.logspace(0, 1, config.heads, base=config.longest)
        self.logits = nn.Parameter(torch.logit(torch.exp(-1 / times)))
        self.channels = model.width // config.heads
        self.values = nn.Linear(model.width, 2 * model.width, bias=False)
        self.output = nn.Linear(model.width, model.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.values(x).chunk(2, dim=-1)
        decay = self._decay()
        powers = torch.arange(x.shape[1], device=x.device)
        kernel = (1 - decay)[:, None] * decay[:, None] ** powers  # (D, T)
        # The sum over the past alone: the library pads with zeros, so that no future token comes round.
        mean = causal_convolution(value, kernel)
        result: Tensor = self.output(torch.nn.functional.silu(gate) * mean)
        return result

    def start(self, batch: int) -> State:
        return [self.logits.new_zeros(batch, self.output.in_features)]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        gate, value = self.values(x).chunk(2, dim=-1)
        decay = self._decay()
        mean = decay * state[0] + (1 - decay) * value
        return self.output(torch.nn.functional.silu(gate) * mean), [mean]

    def _decay(self) -> Tensor:
        """One for each channel, (D,)."""
        return torch.sigmoid(self.logits).repeat_interleave(self.channels)
