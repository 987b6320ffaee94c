"""Values of genes, and which of them are one: in Python 1 == True == 1.0, but they are different settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def distinct(values: list[Any]) -> list[Any]:
    """The values themselves. Raises ValueError where two are one."""
    if len({(type(value), _hashable(value)) for value in values}) < len(values):
        raise ValueError(f"{values} names a value twice")
    return values


def contains(values: Sequence[Any], value: Any) -> bool:
    """Whether a value is one of a list."""
    return any(_same(value, other) for other in values)


def place_of(value: Any, values: Sequence[Any]) -> int:
    """Where in a list a value of it is."""
    return next(place for place, other in enumerate(values) if _same(value, other))


def spelled_as_one_of(values: Sequence[Any], value: Any) -> Any:
    """The one of a list that a value is, or else the number that it equals: 2 where people write 2.0."""
    equal = [one for one in values if one == value and isinstance(one, bool) == isinstance(value, bool)]
    return next((one for one in equal if _same(one, value)), equal[0] if equal else value)


def as_float(value: Any) -> Any:
    """A whole number as the float that it is; all else as it is."""
    return float(value) if type(value) is int and abs(value) <= 2**53 else value


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
