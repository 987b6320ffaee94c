"""A plugin of one file that cheats: an average of all positions, those to come among them."""

from __future__ import annotations

from typing import Literal

from averages import MovingAverage, MovingAverageConfig
from torch import Tensor

from signal_model.layers.registry import implements


class LeakyAverageConfig(MovingAverageConfig):
    """Moving averages that look ahead."""

    kind: Literal["leaky_average"] = "leaky_average"  # type: ignore[assignment]


@implements(LeakyAverageConfig)
class LeakyAverage(MovingAverage):
    """Less the mean of the whole sequence, as normalisation over positions would have it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(1, keepdim=True))
