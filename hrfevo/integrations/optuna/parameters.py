"""A parameter of Optuna's as a gene, and the space of a study whose trials do not all ask for the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from hrfevo.space.genes import BaseGene, ChoiceGene, FloatGene, IntGene, Value
from hrfevo.space.ranges import between, rounded, unscaled

# Whole numbers and steps of more values than these are a continuum that is rounded.
MAX_VALUES = 2**20


@dataclass(frozen=True)
class Parameter:
    """A distribution of Optuna's, whose values are known here as those of a gene.

    A category is its place in the list, since categories may be anything. What has a step is the number of steps from
    the lower end. Other numbers are places between the ends, from 0 to 1, since a gene keeps six digits and a range may
    lie far from 0. Values of Optuna's are in what it calls the internal representation, a float.
    """

    distribution: BaseDistribution

    @cached_property
    def gene(self) -> BaseGene:
        """Without a condition."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return ChoiceGene(type="choice", values=[*range(len(distribution.choices))])
        if self._step is None:
            return FloatGene(type="float", low=0.0, high=1.0)
        if distribution.log:
            return IntGene(type="int", low=distribution.low, high=distribution.high, log=True)
        return IntGene(type="int", low=0, high=self._steps)

    def encoded(self, internal: float) -> Value:
        """The gene's value; what lies beyond the ends is moved there."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return int(internal)
        low, high = distribution.low, distribution.high
        if self._step is None:
            return rounded(unscaled(min(max(internal, low), high), low, high, distribution.log))
        if distribution.log:
            return int(min(max(round(internal), low), high))
        return min(max(round((internal - low) / self._step), 0), self._steps)

    def decoded(self, value: Value) -> float:
        """Optuna's value of the gene's."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return float(value)
        low, high = distribution.low, distribution.high
        if self._step is None:
            internal = between(value, low, high, distribution.log)
            if distribution.step is not None:
                internal = low + round((internal - low) / distribution.step) * distribution.step
            return float(min(max(internal, low), high))
        return float(value if distribution.log else min(low + value * self._step, high))

    @cached_property
    def _step(self) -> float | None:
        """Between neighbours, None for a continuum."""
        distribution = self.distribution
        step: float | None = distribution.step
        return None if step is None or (distribution.high - distribution.low) / step >= MAX_VALUES else step

    @property
    def _steps(self) -> int:
        """From the lower end to the upper."""
        assert self._step is not None
        steps: float = (self.distribution.high - self.distribution.low) / self._step
        return round(steps)


class KnownSpace:
    """All parameters that trials of a study have asked for, in the order they first came.

    One that was asked for with several ranges has the least that holds them all. Optuna sees to it that it has the same
    categories always.
    """

    def __init__(self) -> None:
        self.distributions: dict[str, BaseDistribution] = {}
        # The one trial that has asked for it; None where there are several.
        self._only: dict[str, int | None] = {}
        self._complete: set[int] = set()

    def add(self, number: int, distributions: Mapping[str, BaseDistribution], complete: bool) -> None:
        """Of the trial of this number; one that is `complete` does without the others."""
        if complete:
            self._complete.add(number)
        for name, distribution in distributions.items():
            known = self.distributions.get(name)
            self.distributions[name] = distribution if known is None else _widened(known, distribution)
            self._only[name] = number if self._only.get(name, number) == number else None

    @property
    def searched(self) -> dict[str, BaseDistribution]:
        """Those that have more than one value, without those that one trial alone has asked for and others not.

        Of these nothing can be learned yet. Where every trial brings names of its own, they would be learned in vain,
        each time with all the rest.
        """
        return {name: one for name, one in self.distributions.items() if not one.single() and not self._is_rare(name)}

    def _is_rare(self, name: str) -> bool:
        only = self._only[name]
        return only is not None and bool(self._complete - {only})


def _widened(one: Any, other: Any) -> BaseDistribution:
    """One that holds both: of whole numbers, or of others without a step, where their steps do not meet."""
    if isinstance(one, CategoricalDistribution) or one == other:  # many categories take long to compare
        return one
    step = one.step if one.step == other.step and _multiple(other.low - one.low, one.step) else None
    if step is None and isinstance(one, IntDistribution):
        step = 1
    low, high = min(one.low, other.low), max(one.high, other.high)
    return type(one)(low, high, log=one.log and other.log, step=step)


def _multiple(difference: float, step: float | None) -> bool:
    return step is None or math.isclose(difference / step, round(difference / step), abs_tol=1e-8)
