"""Sections of a search space file: bounds, resources, limits and the confirmation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, FiniteFloat, field_validator, model_validator

from hrfevo.space.rivals import TRANSFORMER, acceptable
from signal_model.config.training import MOST_STEPS
from signal_model.support.errors import counted
from signal_model.support.settings import Config


class Bounds(Config):
    """What a metric must keep to."""

    min: FiniteFloat | None = None
    max: FiniteFloat | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        return self

    @property
    def words(self) -> str:
        """As people say it: `at least 2`, `at most 10`, `2 to 10`."""
        if self.min is not None and self.max is not None:
            return f"{self.min:,.6g} to {self.max:,.6g}"
        return f"at most {self.max:,.6g}" if self.max is not None else f"at least {self.min:,.6g}"


class Resources(Config):
    """What one evaluation occupies."""

    cpus: int = Field(1, ge=1, le=1024, description="CPU cores and threads")
    gpus: Literal["auto"] | Annotated[FiniteFloat, Field(ge=0, le=1024)] = Field(
        "auto", description="GPUs; a fraction shares one. auto: none where there is none, else a fraction"
    )

    @property
    def gpus_each(self) -> float:
        """GPUs of one evaluation, where it is known how many there are: `auto` is no number."""
        assert self.gpus != "auto"
        return self.gpus

    @property
    def words(self) -> str:
        """As people say it."""
        return f"{counted(self.cpus, 'CPU')} and {counted(self.gpus_each, 'GPU')}"

    @field_validator("gpus", mode="before")
    @classmethod
    def _a_fraction_or_whole(cls, gpus: Any) -> Any:
        if gpus == "auto":
            return gpus
        is_number = isinstance(gpus, int | float) and not isinstance(gpus, bool)
        if not is_number or not 0 <= gpus <= 1024 or (gpus > 1 and gpus != int(gpus)):
            raise ValueError(f"auto, a fraction up to 1 or a whole number up to 1024, got {gpus!r}")
        return gpus


class Limits(Config):
    """What one evaluation may take at most; one that takes more has failed."""

    minutes: FiniteFloat | None = Field(None, gt=0, description="Of wall-clock time")
    memory_gib: FiniteFloat | None = Field(None, gt=0, description="Of main memory held by its process, GiB")


class Confirm(Config):
    """What is trained again at the end, from scratch, with fresh seeds."""

    top: int = Field(3, ge=0, le=1000, description="Winners to train again; 0 for none")
    seeds: int = Field(5, ge=1, le=1000, description="Trainings of each")
    steps: int | None = Field(
        None, ge=1, le=MOST_STEPS, description="Training steps; those of the last rung unless given"
    )
    rivals: tuple[str, ...] = Field(
        (TRANSFORMER,),
        description="Who is tuned as long as was searched, and trained again too: transformer, kinds of mixers, "
        "recipes' files; [] for nobody",
    )
    equal: Literal["seconds", "steps"] = Field(
        "seconds", description="Of training, as many of which each rival is tuned for as the search had"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_or_without_a_baseline(cls, data: Any) -> Any:
        """`baseline`, true or false, is what was said before there were several rivals: the transformer, or nobody."""
        if not isinstance(data, dict) or "baseline" not in data:
            return data
        rest = {name: value for name, value in data.items() if name != "baseline"}
        if not isinstance(data["baseline"], bool):
            raise ValueError(f"baseline: true or false, got {data['baseline']!r}")
        if "rivals" in rest:
            raise ValueError("baseline and rivals say the same; leave out baseline")
        return rest | {"rivals": [TRANSFORMER] if data["baseline"] else []}

    @field_validator("rivals")
    @classmethod
    def _are_rivals(cls, rivals: tuple[str, ...]) -> tuple[str, ...]:
        acceptable(rivals)
        return rivals
