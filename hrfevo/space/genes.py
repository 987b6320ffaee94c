"""The kinds of gene: what values each may take, and how it is written as numbers between 0 and 1.

Variation and samplers work on unit coordinates in [0, 1] or on positions in a list and come back through the gene.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import numpy as np
from pydantic import BeforeValidator, Field, FiniteFloat, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hrfevo.space.conditions import in_order
from hrfevo.space.fixed import nested
from hrfevo.space.ranges import between, check_range, rounded, scaled, unscaled
from hrfevo.space.values import as_float, contains, distinct, place_of, spelled_as_one_of
from signal_model.config import LayerConfig
from signal_model.support.errors import InputError, closest, counted
from signal_model.support.settings import Config, words

# What a gene's value may be; JSON all the way down, so that a genome is its own canonical form.
Value = Any

# A step that takes a gene through more values than these is no step but a continuum.
MOST_STEPS = 1000
STEP = "Only multiples of it from `low` on, as an ordered gene"


class BaseGene(Config):
    """A searched setting, active where its condition holds."""

    when: dict[str, Any] = Field(
        default_factory=dict,
        description="Active only if each gene named here is active and has this value (or one of this list)",
    )

    @cached_property
    def conditions(self) -> dict[str, list[Value]]:
        """Accepted values of each gene that this one depends on."""
        return {name: values if isinstance(values, list) else [values] for name, values in self.when.items()}

    @abstractmethod
    def sample(self, generator: np.random.Generator) -> Value:
        """A random value, uniform in the gene's own scale."""

    @abstractmethod
    def admits(self, value: Value) -> bool:
        """Whether `value` is one this gene may take, in canonical form."""

    @abstractmethod
    def spelled(self, value: Value) -> Value:
        """The value as this gene writes it, such as 1.0 where people write 1; what it may not take stays as it is."""

    @abstractmethod
    def extremes(self) -> list[Value]:
        """Values that between them show whether a model can be built from this gene."""

    @property
    @abstractmethod
    def size(self) -> int | None:
        """How many values there are; None for a continuum."""

    def all_values(self) -> Sequence[Value]:
        """Every value, in order. Raises InputError for a continuum."""
        raise InputError(f"a gene of {self.domain} has no end of values; accepted: int, ordered, choice")

    @property
    @abstractmethod
    def domain(self) -> str:
        """The values in words, for messages."""


class UnitGene(BaseGene):
    """A gene that is one or two numbers in its own scale."""

    dimensions: ClassVar[int] = 1

    @abstractmethod
    def from_unit(self, unit: Sequence[float]) -> Value:
        """The value at coordinates in [0, 1]; those outside are moved to the edge."""

    @abstractmethod
    def to_unit(self, value: Value) -> list[float]:
        """Coordinates in [0, 1] that `from_unit` takes back to `value`."""

    def sample(self, generator: np.random.Generator) -> Value:
        return self.from_unit(generator.random(self.dimensions).tolist())


class RangedGene(UnitGene):
    """A gene of numbers from `low` to `high`, evenly or (log) by ratio."""

    type: str  # here so that it stays before the others where a gene is written
    low: FiniteFloat
    high: FiniteFloat
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        check_range(self.low, self.high, self.log)
        return self

    def extremes(self) -> list[Value]:
        return [self.low, self.high]

    @property
    def size(self) -> int | None:
        return None


class FloatGene(RangedGene):
    """A number from `low` to `high`, evenly or (log) by ratio."""

    type: Literal["float"]
    step: float | None = Field(None, description=STEP)

    def from_unit(self, unit: Sequence[float]) -> float:
        return scaled(unit[0], self.low, self.high, self.log)

    def to_unit(self, value: Value) -> list[float]:
        return [unscaled(value, self.low, self.high, self.log)]

    def admits(self, value: Value) -> bool:
        return isinstance(value, float) and self.low <= value <= self.high

    def spelled(self, value: Value) -> Value:
        return as_float(value)

    @property
    def domain(self) -> str:
        return f"{self.low:g} to {self.high:g}"


class IntGene(RangedGene):
    """A whole number from `low` to `high`, both included, evenly or (log) by ratio."""

    type: Literal["int"]
    low: int = Field(ge=-(2**53), le=2**53)
    high: int = Field(ge=-(2**53), le=2**53)
    step: int | None = Field(None, description=STEP)

    def from_unit(self, unit: Sequence[float]) -> int:
        # Each number owns the half step to either side, so that the ends are as likely as the rest.
        value = round(between(unit[0], self.low - 0.5, self.high + 0.5, self.log))
        return min(max(value, self.low), self.high)

    def to_unit(self, value: Value) -> list[float]:
        return [unscaled(value, self.low - 0.5, self.high + 0.5, self.log)]

    def neighbour(self, value: Value, step: int) -> int:
        """One up or down; the other way at an end."""
        moved = value + step if self.low <= value + step <= self.high else value - step
        return int(min(max(moved, self.low), self.high))

    def admits(self, value: Value) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high

    def spelled(self, value: Value) -> Value:
        return int(value) if isinstance(value, float) and value.is_integer() else value

    @property
    def size(self) -> int | None:
        return self.high - self.low + 1

    def all_values(self) -> Sequence[Value]:
        return range(self.low, self.high + 1)

    @property
    def domain(self) -> str:
        return f"whole numbers {self.low} to {self.high}"


class IntervalGene(RangedGene):
    """A pair [a, b] with low ≤ a < b ≤ high, at least `gap` of the range apart."""

    type: Literal["interval"]
    gap: float = Field(0.05, gt=0, lt=1, description="Least distance as a share of the range, in its scale")
    dimensions: ClassVar[int] = 2

    def from_unit(self, unit: Sequence[float]) -> list[float]:
        first, second = sorted(min(max(u, 0.0), 1.0) for u in unit)
        if second - first < self.gap:
            first = min(max((first + second - self.gap) / 2, 0.0), 1 - self.gap)
            second = first + self.gap
        return [scaled(u, self.low, self.high, self.log) for u in (first, second)]

    def to_unit(self, value: Value) -> list[float]:
        return [unscaled(v, self.low, self.high, self.log) for v in value]

    def admits(self, value: Value) -> bool:
        return (
            isinstance(value, list)
            and len(value) == 2
            and all(isinstance(v, float) for v in value)
            and self.low <= value[0] < value[1] <= self.high
        )

    def spelled(self, value: Value) -> Value:
        return [as_float(end) for end in value] if isinstance(value, list) else value

    def extremes(self) -> list[Value]:
        return [self.from_unit([0, 0]), self.from_unit([0, 1]), self.from_unit([1, 1])]

    @property
    def domain(self) -> str:
        return f"pairs within {self.low:g} to {self.high:g}"


class ListedGene(BaseGene):
    """A gene that is one of a list."""

    type: str  # here so that it stays before the others where a gene is written
    values: list[Value] = Field(min_length=1)

    _distinct = field_validator("values")(distinct)

    def admits(self, value: Value) -> bool:
        return contains(self.values, value)

    def spelled(self, value: Value) -> Value:
        return spelled_as_one_of(self.values, value)

    def extremes(self) -> list[Value]:
        return list(self.values)

    def all_values(self) -> Sequence[Value]:
        return self.values

    @property
    def size(self) -> int | None:
        return len(self.values)

    @property
    def domain(self) -> str:
        return ", ".join(map(str, self.values))


class OrderedGene(UnitGene, ListedGene):
    """One of a list whose order means something: neighbours are alike."""

    type: Literal["ordered"]

    def from_unit(self, unit: Sequence[float]) -> Value:
        return self.values[min(int(max(unit[0], 0.0) * len(self.values)), len(self.values) - 1)]

    def to_unit(self, value: Value) -> list[float]:
        return [(place_of(value, self.values) + 0.5) / len(self.values)]

    def neighbour(self, value: Value, step: int) -> Value:
        """One place up or down the list; the other way at an end."""
        at = place_of(value, self.values)
        moved = at + step if 0 <= at + step < len(self.values) else at - step
        return self.values[min(max(moved, 0), len(self.values) - 1)]


class ChoiceGene(ListedGene):
    """One of a list without order."""

    type: Literal["choice"]

    def sample(self, generator: np.random.Generator) -> Value:
        return self.values[int(generator.integers(len(self.values)))]


def _of_type(*kinds: type[BaseGene]) -> BeforeValidator:
    """What turns settings into the gene that their `type` names."""
    by_type = {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in kinds}

    def parse(data: Any) -> Any:
        if isinstance(data, BaseGene):
            return data
        if not isinstance(data, dict):
            message = f"expected a mapping such as {{type: float, low: 0, high: 1}}, got {data!r}"
            raise PydanticCustomError("misfit", "{message}", {"place": (), "message": message})
        told = data.get("type")
        if not isinstance(told, str) or told not in by_type:
            problem = "is missing" if told is None else f"{told!r} is no type of gene{closest(told, by_type)}"
            message = f"{problem}; accepted: {', '.join(by_type)}"
            raise PydanticCustomError("misfit", "{message}", {"place": ("type",), "message": message})
        gene = by_type[told].model_validate(data)
        return _stepped(gene) if isinstance(gene, FloatGene | IntGene) and gene.step is not None else gene

    return BeforeValidator(parse)


def _stepped(gene: FloatGene | IntGene) -> OrderedGene:
    """The multiples of a step from `low` on, as the list that they are."""
    assert gene.step is not None
    count = 0
    if gene.step > 0:
        count = math.floor(min((gene.high - gene.low) / gene.step, MOST_STEPS) * (1 + 1e-9)) + 1
    if gene.log or not 1 < count <= MOST_STEPS:
        through = f"more than {MOST_STEPS:,} values" if count > MOST_STEPS else counted(count, "value")
        problem = "goes with log: false" if gene.log else f"takes it through {through}"
        message = f"{problem}; accepted: a step of which 2 to {MOST_STEPS:,} lie between low and high, without log"
        raise PydanticCustomError("misfit", "{message}", {"place": ("step",), "message": message})
    values = [gene.low + place * gene.step for place in range(count)]
    return OrderedGene(
        type="ordered", values=[rounded(v) if isinstance(v, float) else v for v in values], when=gene.when
    )


ScalarGene = Annotated[
    FloatGene | IntGene | IntervalGene | OrderedGene | ChoiceGene,
    _of_type(FloatGene, IntGene, IntervalGene, OrderedGene, ChoiceGene),
]


def is_numeric(gene: BaseGene) -> bool:
    """Whether every value of a gene is a number."""
    if isinstance(gene, ListedGene):
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in gene.values)
    return isinstance(gene, FloatGene | IntGene)


class LayersGene(BaseGene):
    """The list of layers: from `min` to `max` of them, each with genes of its own."""

    type: Literal["layers"]
    min: int = Field(ge=1)
    max: int = Field(ge=1, le=64)
    fixed: dict[str, Any] = Field(default_factory=dict, description="Settings that every layer has")
    genes: dict[str, ScalarGene] = Field(min_length=1, description="Genes of one layer, such as mixer.kind")

    _nested = field_validator("fixed")(lambda fixed: nested(fixed))

    @field_validator("genes")
    @classmethod
    def _conditions_decided_first(cls, genes: dict[str, ScalarGene]) -> dict[str, ScalarGene]:
        return in_order(genes, partial(words, LayerConfig))

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self

    def sample(self, generator: np.random.Generator) -> Value:
        raise TypeError("layers are sampled gene by gene; see hrfevo.space.genome")

    def admits(self, value: Value) -> bool:
        return isinstance(value, list) and self.min <= len(value) <= self.max

    def spelled(self, value: Value) -> Value:
        return value

    def extremes(self) -> list[Value]:
        raise TypeError("layers are tried gene by gene; see hrfevo.space.search_space")

    @property
    def size(self) -> int | None:
        raise TypeError("layers are counted gene by gene; see hrfevo.space.search_space")

    @property
    def domain(self) -> str:
        return f"{self.min} to {counted(self.max, 'layer')}"


Gene = Annotated[
    FloatGene | IntGene | IntervalGene | OrderedGene | ChoiceGene | LayersGene,
    _of_type(FloatGene, IntGene, IntervalGene, OrderedGene, ChoiceGene, LayersGene),
]
