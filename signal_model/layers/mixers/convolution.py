"""A plain convolution, one filter per channel."""

from __future__ import annotations

from torch import Tensor

from signal_model.config import ConvolutionConfig, ModelConfig
from signal_model.layers.convolution import ShortConvolution
from signal_model.layers.mixers.base import Mixer, State
from signal_model.layers.registry import implements


@implements(ConvolutionConfig)
class ConvolutionMixer(Mixer):
    """y_c(t) = Σ_k w_kc x_c(t + a - k), with a = 0 in a causal model, else (taps - 1) // 2.

    With feed-forwards it makes a plain convolutional network, the blocks of ConvNeXt (Liu et al. 2022).
    """

    def __init__(self, config: ConvolutionConfig, model: ModelConfig) -> None:
        super().__init__()
        self.taps = ShortConvolution(model.width, config.taps, causal=model.causal)
        self.taps.draw_taps()

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        filtered: Tensor = self.taps(x)
        return filtered

    def prefill(self, x: Tensor) -> tuple[Tensor, State]:
        filtered, past = self.taps.prefill(x)
        return filtered, [past]

    def start(self, batch: int) -> State:
        return [self.taps.start(batch)]

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        filtered, past = self.taps.step(x, state[0])
        return filtered, [past]
