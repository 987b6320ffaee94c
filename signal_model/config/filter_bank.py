"""What filters the residual stream before a block."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from signal_model.support.settings import Misfit, ModelSize, Part


class FilterBankConfig(Part):
    """What filters the residual stream before a block."""

    two_sided: ClassVar[bool] = False
    """Whether there is a form for models that are not causal, in which positions hear from both sides."""


class NoFilterBankConfig(FilterBankConfig):
    """Nothing."""

    two_sided = True
    kind: Literal["none"] = "none"


class LearnedFilterBankConfig(FilterBankConfig):
    """Learned filters at several scales, weighted per token, added to what enters the block."""

    two_sided = True
    kind: Literal["learned"] = "learned"
    filters: int = Field(16, ge=1, le=4096, description="Filters M of each scale")
    scales: int = Field(3, ge=1, le=16, description="Scale s looks at every 2^s-th token")
    taps: int = Field(8, ge=2, le=64, description="Taps of each filter")

    def check(self, size: ModelSize) -> None:
        if not size.causal and self.taps < 3:
            raise Misfit("taps", f"at least 3, of which one looks ahead, as causal: false asks, got {self.taps}")
        if (reach := (self.taps - 1) << (self.scales - 1)) >= size.context:
            raise Misfit(
                "taps",
                f"{self.taps} at {self.scales} scales look {reach} tokens back, beyond the context of {size.context}",
            )
