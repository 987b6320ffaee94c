"""How a model is trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, FiniteFloat, SerializeAsAny, field_validator, model_validator
from pydantic_core import PydanticCustomError

from signal_model.support.settings import Config, Part

# Steps that a training may have.
MOST_STEPS = 2**40


class OptimizerConfig(Part):
    """What turns gradients into steps."""


class AdamWConfig(OptimizerConfig):
    """AdamW for every parameter."""

    kind: Literal["adamw"] = "adamw"


class MuonConfig(OptimizerConfig):
    """Muon for the matrices inside blocks, AdamW for all other parameters."""

    kind: Literal["muon"] = "muon"
    learning_rate: FiniteFloat = Field(0.02, gt=0, description="Of the matrices")
    momentum: float = Field(0.95, ge=0, lt=1)


class ScheduleConfig(Part):
    """How the learning rate falls after the warm-up."""


class CosineConfig(ScheduleConfig):
    """Half a cosine over all the steps."""

    kind: Literal["cosine"] = "cosine"


class WarmupStableDecayConfig(ScheduleConfig):
    """Constant, then a straight line down."""

    kind: Literal["wsd"] = "wsd"
    decay: float = Field(0.2, gt=0, le=1, description="Share of the steps in which the rate falls")


AnyOptimizer = Annotated[SerializeAsAny[OptimizerConfig], BeforeValidator(OptimizerConfig.parse)]
AnySchedule = Annotated[SerializeAsAny[ScheduleConfig], BeforeValidator(ScheduleConfig.parse)]


def _misfit(setting: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(
        "misfit", "{where}: {message}", {"place": (setting,), "where": setting, "message": message}
    )


class TrainingConfig(Config):
    """How a model is trained and on how much text it is judged."""

    steps: int = Field(1000, ge=1, le=MOST_STEPS)
    batch_size: int = Field(16, ge=1, le=2**20, description="Windows of `context` tokens per step")
    windows: Literal["random", "epochs"] = Field(
        "random", description="random: they start anywhere; epochs: all of the text once before any of it again"
    )
    accumulation: int = Field(1, ge=1, le=2**20, description="Parts of a batch that are computed one after another")
    optimizer: AnyOptimizer = AdamWConfig()
    learning_rate: FiniteFloat = Field(3e-3, gt=0)
    schedule: AnySchedule = CosineConfig()
    final_learning_rate: float = Field(0.1, ge=0, le=1, description="Last rate as a share of the highest")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps in which the rate rises")
    weight_decay: FiniteFloat = Field(0.1, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)
    gradient_clip: FiniteFloat = Field(1.0, gt=0, description="Largest norm of the gradient")
    speed_change: FiniteFloat = Field(
        0.0, ge=0, le=1, description="Of recordings to classify: each is trained on up to so much faster or slower"
    )
    noise: FiniteFloat = Field(
        0.0,
        ge=0,
        le=1,
        description="Root mean square of the loudest noise that these are trained in; full scale is 1",
    )
    spectral_loss_weight: FiniteFloat = Field(0.0, ge=0, description="Weight of the embedding's spectral roughness")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 on CUDA devices with units for it, else float32"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Of the initial weights and of the order of the text")
    validation_tokens: int = Field(65536, ge=1, le=2**40, description="Tokens of the validation split to score on")

    @field_validator("betas")
    @classmethod
    def _betas_below_one(cls, betas: tuple[float, float]) -> tuple[float, float]:
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"each must be at least 0 and below 1, got {list(betas)}")
        return betas

    @model_validator(mode="after")
    def _batch_splits_evenly(self) -> Self:
        if self.batch_size % self.accumulation:
            raise _misfit("accumulation", f"must divide the batch_size of {self.batch_size}, got {self.accumulation}")
        if isinstance(self.schedule, WarmupStableDecayConfig) and self.warmup + self.schedule.decay > 1:
            taken = f"a warmup of {self.warmup} and a decay of {self.schedule.decay} exceed 1 together"
            raise _misfit("warmup", taken)
        return self
