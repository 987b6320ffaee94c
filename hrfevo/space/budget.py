"""When a search ends, and what it has spent by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import Field, FiniteFloat, model_validator

from signal_model.support.errors import counted
from signal_model.support.settings import Config


@dataclass(frozen=True)
class Spent:
    """What evaluations have taken that count against a budget, seconds summed over workers."""

    evaluations: int = 0
    steps: int = 0
    """Of training."""
    training_seconds: float = 0.0
    """Of training alone, steps by what one takes undisturbed: the same however busy the machine is."""
    seconds: float = 0.0
    """All that workers spent on them, as the clock had it."""
    tokens: float = 0.0
    """Trained on; 0 where nobody told."""


class Budget(Config):
    """When the search ends: at the first of these limits that it comes to."""

    evaluations: int | None = Field(
        None, ge=1, le=2**53, description="Evaluations, finished or failed; each rung is one"
    )
    trainings: FiniteFloat | None = Field(
        None, gt=0, description="Full trainings: all training steps, by those of one genome to the last rung"
    )
    minutes: FiniteFloat | None = Field(None, gt=0, description="Of wall-clock time")
    training_minutes: FiniteFloat | None = Field(
        None, gt=0, description="Of training alone, undisturbed, summed over workers: steps by what one takes"
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not self.limits:
            raise ValueError("give evaluations, trainings, minutes or training_minutes, or several")
        return self

    @property
    def limits(self) -> dict[str, float]:
        """Those that are given, by name."""
        return {name: value for name, value in self if value is not None}

    @property
    def words(self) -> str:
        """As people say it."""
        return " or ".join(limit_in_words(name, limit) for name, limit in self.limits.items())

    @property
    def brief(self) -> str:
        """As a column of a table has it: `72, 30 min`."""
        return ", ".join(_BRIEF[name].format(limit) for name, limit in self.limits.items())

    def shares(self, spent: Spent, seconds: float, last_rung: int) -> dict[str, float]:
        """What is used up of each limit, 1 for all of it, after `seconds` of wall-clock time.

        `last_rung` is in training steps.
        """
        used = amounts(spent, seconds, last_rung)
        return {name: used[name] / limit for name, limit in self.limits.items()}


def amounts(spent: Spent, seconds: float, last_rung: int) -> dict[str, float]:
    """What is used of all that a budget may limit, after `seconds` of wall-clock time; `last_rung` in steps."""
    return {
        "evaluations": float(spent.evaluations),
        "trainings": spent.steps / last_rung,
        "minutes": seconds / 60,
        "training_minutes": spent.training_seconds / 60,
    }


def overriding(limits: Mapping[str, float | None]) -> list[str]:
    """`key=value` over a space file for those of these limits that are given."""
    return [f"budget.{name}={limit}" for name, limit in limits.items() if limit is not None]


def limit_in_words(name: str, limit: float) -> str:
    """One limit as people say it: `1 evaluation`, `30 minutes`."""
    noun, rest = _LIMITS[name]
    return counted(limit, noun) + rest


def option(name: str) -> str:
    """The option of a command line that sets a limit."""
    return f"--{name.replace('_', '-')}"


# What is counted, and of what.
_LIMITS = {
    "evaluations": ("evaluation", ""),
    "trainings": ("full training", ""),
    "minutes": ("minute", ""),
    "training_minutes": ("minute", " of training"),
}
_BRIEF = {
    "evaluations": "{:,}",
    "trainings": "{:,g} full",
    "minutes": "{:g} min",
    "training_minutes": "{:g} min of training",
}
