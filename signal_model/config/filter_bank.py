"""What filters the residual stream before a block."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from signal_model.support.settings import Misfit, ModelSize, Part


class FilterBankConfig(Part):
    """What filters the residual stream before a block."""


class NoFilterBankConfig(FilterBankConfig):
    """Nothing."""

    kind: Literal["none"] = "none"


class LearnedFilterBankConfig(FilterBankConfig):
    """Learned causal filters at several scales, weighted per token, added to what enters the block."""

    kind: Literal["learned"] = "learned"
    filters: int = Field(16, ge=1, le=4096, description="Filters M of each scale")
    scales: int = Field(3, ge=1, le=16, description="Scale s looks at every 2^s-th token")
    taps: int = Field(8, ge=2, le=64, description="Taps of each filter")

    def check(self, size: ModelSize) -> None:
        if (reach := (self.taps - 1) << (self.scales - 1)) >= size.context:
            raise Misfit(
                "taps",
                f"{self.taps} at {self.scales} scales look {reach} tokens back, beyond the context of {size.context}",
            )
