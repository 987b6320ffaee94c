"""Conditions between genes: which depend on which, and when one is active."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic_core import PydanticCustomError

from signal_model.support.errors import closest


class Conditional(Protocol):
    """What this module needs to know of a gene."""

    @property
    def conditions(self) -> Mapping[str, list[Any]]:
        """Accepted values of each gene that this one depends on."""

    @property
    def domain(self) -> str:
        """Its values in words."""

    def admits(self, value: Any) -> bool:
        """Whether it may take a value."""


_G = TypeVar("_G", bound=Conditional)


def active(gene: Conditional, values: Mapping[str, Any]) -> bool:
    """Whether a gene's condition holds, given the values of the genes it depends on."""
    # A plain loop: whoever breeds asks it ten thousand times for a proposal.
    for name, accepted in gene.conditions.items():  # noqa: SIM110
        if name not in values or values[name] not in accepted:
            return False
    return True


def in_order(genes: Mapping[str, _G]) -> dict[str, _G]:
    """The genes as in the file, but each after those its condition names.

    Raises PydanticCustomError for a condition that names no gene of `genes`, asks for a value that gene
    never has, or goes in a circle.
    """
    for name, gene in genes.items():
        for other, values in gene.conditions.items():
            _check(genes, name, other, values)
    waiting, found = dict(genes), dict[str, _G]()
    while waiting:
        ready = next((name for name, gene in waiting.items() if all(n in found for n in gene.conditions)), None)
        if ready is None:
            raise PydanticCustomError(
                "misfit", "conditions go in a circle: {circle}", {"place": (), "circle": ", ".join(waiting)}
            )
        found[ready] = waiting.pop(ready)
    return found


def _check(genes: Mapping[str, Conditional], name: str, other: str, values: list[Any]) -> None:
    place = (name, "when", other)
    others = [gene for gene in genes if gene != name]
    if other not in others:
        problem = "is the gene itself" if other == name else f"is no gene here{closest(other, others)}"
        accepted = f"accepted: {', '.join(others)}" if others else "there is no other gene"
        message = f"{other!r} {problem}; {accepted}"
        raise PydanticCustomError("misfit", "{message}", {"place": place, "message": message})
    if not values:
        message = "names no value, so the gene could never be active"
        raise PydanticCustomError("misfit", "{message}", {"place": place, "message": message})
    for value in values:
        if not genes[other].admits(value):
            raise PydanticCustomError(
                "misfit",
                "{other} never has the value {value}; accepted: {domain}",
                {"place": place, "other": other, "value": repr(value), "domain": genes[other].domain},
            )
