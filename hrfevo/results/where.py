"""Conditions on evaluations, as a command line writes them: `parameters<500000`, `embedding.kind=spectral`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hrfevo.results.history import History
from hrfevo.space.genes import BaseGene, IntervalGene, LayersGene, ListedGene
from hrfevo.space.metrics import METRICS
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from signal_model.support.errors import InputError, closest, one_line
from signal_model.support.files import parse_value

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": lambda a, b: _same(a, b),
    "!=": lambda a, b: not _same(a, b),
}
_FORM = re.compile(r"\s*([^<>=!]*?)\s*([<>=!]+)\s*(.*?)\s*", re.DOTALL)
_INDEX = re.compile(r"\[\d+\]")

# What an evaluation has under a name: several values for a gene of layers, none where it has none.
Reader = Callable[[Evaluation], list[Any]]


@dataclass(frozen=True)
class Condition:
    """What an evaluation must keep to."""

    read: Reader
    operator: str
    value: Any

    def __call__(self, evaluation: Evaluation) -> bool:
        """Whether it holds; never for what the evaluation has not, and in a list of layers if it does for one.

        `!=` is the contrary of `=`: no layer has the value.
        """
        values = self.read(evaluation)
        holds = (OPERATORS[self.operator](value, self.value) for value in values)
        return bool(values) and (all(holds) if self.operator == "!=" else any(holds))


@dataclass(frozen=True)
class _Quantity:
    """What a name stands for: `accepted` is None for a number, else the values that it can have."""

    read: Reader
    accepted: Sequence[Any] | None = None


def parse_condition(text: str, history: History) -> Condition:
    """A condition on the evaluations of a run: NAME OPERATOR VALUE, the value as a space file would have it.

    Names are metrics, `birth`, `generation`, `operator` and genes, also with `gene:` before them. `layers` is the
    number of layers, `layers[0].mixer.kind` a gene of the first, `layers.mixer.kind` of any; an interval has two ends,
    `embedding.frequencies.low` and `.high`.

    Raises InputError for an unknown name or operator, or a value that cannot be compared with it.
    """
    place = f"--where {text}"
    match = _FORM.fullmatch(text)
    if not match or not match[1] or not match[3]:
        raise InputError(f"{place}: expected NAME OPERATOR VALUE, such as parameters<500000")
    name, sign, written = match.groups()
    if sign not in OPERATORS:
        raise InputError(f"{place}: {sign!r} is no operator{closest(sign, OPERATORS)}; accepted: {' '.join(OPERATORS)}")
    known = _quantities(history)
    if name not in known:
        accepted = ", ".join(n for n in known if not n.startswith("gene:") and not _INDEX.search(n))
        raise InputError(
            f"{place}: {name!r} is no metric or gene of this run{closest(name, known)}; accepted: {accepted}"
        )
    try:
        value = parse_value(written)
    except InputError as error:
        raise InputError(f"{place}: {one_line(error)}") from None
    _check(place, known[name], sign, value)
    return Condition(known[name].read, sign, value)


def _check(place: str, quantity: _Quantity, sign: str, value: Any) -> None:
    if quantity.accepted is None or all(map(_is_number, quantity.accepted)):
        if not _is_number(value):
            raise InputError(f"{place}: expected a number, got {value!r}")
        return
    accepted = ", ".join(map(str, quantity.accepted))
    if sign not in ("=", "!="):
        raise InputError(f"{place}: {accepted} have no order; accepted: = !=")
    if not any(_same(value, other) for other in quantity.accepted):
        hint = closest(value, map(str, quantity.accepted))
        raise InputError(f"{place}: never has the value {value!r}{hint}; accepted: {accepted}")


def _quantities(history: History) -> dict[str, _Quantity]:
    space, measured = history.space, {name for evaluation in history for name in evaluation.metrics}
    known = {name: _Quantity(_metric(name)) for name in [*METRICS, *sorted(measured - set(METRICS))]}
    known["birth"] = _Quantity(lambda e: [e.birth])
    known["generation"] = _Quantity(lambda e: [space.generation_of(e.birth)])
    known["operator"] = _Quantity(lambda e: [e.operator], sorted({e.operator for e in history}))
    genes = dict(_genes(space))
    return genes | known | {f"gene:{name}": quantity for name, quantity in genes.items()}


def _metric(name: str) -> Reader:
    return lambda evaluation: [evaluation.metrics[name]] if name in evaluation.metrics else []


def _genes(space: SearchSpace) -> Iterator[tuple[str, _Quantity]]:
    for name, gene in space.genes.items():
        if not isinstance(gene, LayersGene):
            yield from _scalar(name, gene, name, lambda e: [e.values])
            continue
        yield name, _Quantity(lambda e: [len(e.values["layers"])] if "layers" in e.values else [])
        for inner, layer_gene in gene.genes.items():
            yield from _scalar(f"{name}.{inner}", layer_gene, inner, _layers(slice(None)))
            for index in range(gene.max):
                yield from _scalar(f"{name}[{index}].{inner}", layer_gene, inner, _layers(slice(index, index + 1)))


def _layers(which: slice) -> Reader:
    return lambda evaluation: evaluation.values.get("layers", [])[which]


def _scalar(name: str, gene: BaseGene, key: str, parts: Reader) -> Iterator[tuple[str, _Quantity]]:
    """A gene's names; its values are those of `key` in `parts` of the genome that have it."""

    def read(evaluation: Evaluation) -> list[Any]:
        return [part[key] for part in parts(evaluation) if key in part]

    if isinstance(gene, IntervalGene):
        yield f"{name}.low", _Quantity(lambda e: [low for low, _ in read(e)])
        yield f"{name}.high", _Quantity(lambda e: [high for _, high in read(e)])
    else:
        yield name, _Quantity(read, gene.values if isinstance(gene, ListedGene) else None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(a: Any, b: Any) -> bool:
    # 1 == True in Python, but they are different settings; 1 and 1.0 are one.
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
