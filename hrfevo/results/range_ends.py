"""Genes whose range ends where the best are: what is better may lie beyond, and budget goes into the end.

Only numbers in a range (`float`, `int`) have such ends. A list that ends is what its author offers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hrfevo.results.history import History
from hrfevo.space.genes import FloatGene, IntGene, LayersGene
from hrfevo.space.genome import Genome
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import misfit
from hrfevo.store.records import Evaluation

# So many of the best are asked, and so many must be there; of fewer than three nothing is said.
BEST, LEAST, SHARE = 5, 3, 0.8
# Within this share of the range, in its own scale, a value is at its end.
NEAR = 0.01
# A whole number with no more values than this is at an end too often by chance.
FEW = 5
End = Literal["lower", "upper"]


@dataclass(frozen=True)
class RangeEnd:
    """A gene that most of the best have at one end of its range, and that could lie beyond."""

    gene: str
    """As it stands in the space file: of a layer behind `layers.`."""
    end: End
    limit: float
    count: int
    """Of the best have it there, in all layers that have it."""
    of: int
    """The best that were asked."""

    @property
    def fact(self) -> str:
        """`training.learning_rate is at its upper end (0.02) in 5 of the best 5`."""
        return f"{self.gene} is at its {self.end} end ({self.limit:g}) in {self.count} of the best {self.of}"

    @property
    def words(self) -> str:
        """The same with what it means."""
        return f"{self.fact}: what is better may lie beyond; widen its range"


def range_ends(history: History) -> list[RangeEnd]:
    """Of the best few at the top rung, in the order of the genes; none of fewer than `LEAST`.

    An end that the setting itself has, as a dropout of 0, is none: nothing lies beyond.
    """
    best = history.ranked(BEST)
    if len(best) < LEAST:
        return []
    found = (_end_of(history.space, name, gene, best) for name, gene in _ranged(history.space))
    return [one for one in found if one is not None]


def _ranged(space: SearchSpace) -> Iterator[tuple[str, FloatGene | IntGene]]:
    for name, gene in space.genes.items():
        inner = {f"{name}.{one}": of for one, of in gene.genes.items()} if isinstance(gene, LayersGene) else {}
        for place, one in inner.items() if inner else [(name, gene)]:
            if isinstance(one, FloatGene) or (isinstance(one, IntGene) and one.high - one.low >= FEW):
                yield place, one


def _end_of(space: SearchSpace, name: str, gene: FloatGene | IntGene, best: Sequence[Evaluation]) -> RangeEnd | None:
    ends: tuple[tuple[End, float], ...] = (("lower", gene.low), ("upper", gene.high))
    for end, limit in ends:
        there = [one for one in best if _all_at(gene, limit, _values(name, one.values))]
        if len(there) >= SHARE * len(best) and _goes_on(space, name, gene, limit, there[0].values):
            return RangeEnd(name, end, limit, len(there), len(best))
    return None


def _values(name: str, values: Mapping[str, Any]) -> list[float]:
    """What a genome has of a gene: none, one, or one of each layer that has it."""
    inner = name.removeprefix("layers.")
    if inner == name:
        return [values[name]] if name in values else []
    return [layer[inner] for layer in values.get("layers", ()) if inner in layer]


def _all_at(gene: FloatGene | IntGene, limit: float, values: Sequence[float]) -> bool:
    return bool(values) and all(abs(_on(gene, value) - _on(gene, limit)) <= NEAR for value in values)


def _on(gene: FloatGene | IntGene, value: float) -> float:
    """Where a value lies in the range in its own scale: 0 and 1 are the ends."""
    if gene.log:
        return math.log(value / gene.low) / math.log(gene.high / gene.low)
    return (value - gene.low) / (gene.high - gene.low)


def _goes_on(space: SearchSpace, name: str, gene: FloatGene | IntGene, limit: float, values: Mapping[str, Any]) -> bool:
    """Whether a model can be made with a value beyond the limit: a little, or of a whole number as far again."""
    inner = name.removeprefix("layers.")

    def beyond(value: float) -> dict[str, Any]:
        if inner == name:
            return {**values, name: value}
        return {**values, "layers": [{**one, inner: value} if inner in one else one for one in values["layers"]]}

    return any(misfit(space, Genome(beyond(value))) is None for value in _beyond(gene, limit))


def _beyond(gene: FloatGene | IntGene, limit: float) -> list[float]:
    way = 1 if limit == gene.high else -1
    if isinstance(gene, IntGene):  # a width may have to be a multiple of something
        doubled = limit * 2 if way > 0 else limit // 2
        return [limit + way, doubled, limit + way * (gene.high - gene.low)]
    if gene.log:
        return [limit * (gene.high / gene.low) ** (way * NEAR)]
    return [limit + way * NEAR * (gene.high - gene.low)]
