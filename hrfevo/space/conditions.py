"""Conditions between genes: which depend on which, and when one is active."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from pydantic_core import PydanticCustomError

from signal_model.support.errors import closest
from signal_model.support.plugins import REMEDY


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

Words = Mapping[str, Collection[str]]
"""Every setting as a dotted path, with the words that it takes, none where it takes others."""


def active(gene: Conditional, values: Mapping[str, Any]) -> bool:
    """Whether a gene's condition holds, given the values of the genes it depends on."""
    # A plain loop: whoever breeds asks it ten thousand times for a proposal.
    for name, accepted in gene.conditions.items():  # noqa: SIM110
        if name not in values or values[name] not in accepted:
            return False
    return True


def in_order(genes: Mapping[str, _G], known: Callable[[], Words]) -> dict[str, _G]:
    """The genes as in the file, but each after those its condition names.

    Raises PydanticCustomError for a condition that names no gene of `genes`, asks for a value that gene
    never has, or goes in a circle. Where a condition is right, and the gene that it means has the wrong name or value,
    by what is `known` of settings, the error is at the gene.
    """
    for name, gene in genes.items():
        for other, values in gene.conditions.items():
            _check(genes, name, other, values, known)
    waiting, found = dict(genes), dict[str, _G]()
    while waiting:
        ready = next((name for name, gene in waiting.items() if all(n in found for n in gene.conditions)), None)
        if ready is None:
            raise PydanticCustomError(
                "misfit", "conditions go in a circle: {circle}", {"place": (), "circle": ", ".join(waiting)}
            )
        found[ready] = waiting.pop(ready)
    return found


def _check(
    genes: Mapping[str, Conditional], name: str, other: str, values: list[Any], known: Callable[[], Words]
) -> None:
    place = (name, "when", other)
    others = [gene for gene in genes if gene != name]
    if other not in others:
        _refuse_a_misspelt_gene(genes, other, known())
        problem = "is the gene itself" if other == name else f"is no gene here{closest(other, others)}"
        accepted = f"accepted: {', '.join(others)}" if others else "there is no other gene"
        message = f"{other!r} {problem}; {accepted}"
        raise PydanticCustomError("misfit", "{message}", {"place": place, "message": message})
    if not values:
        message = "names no value, so the gene could never be active"
        raise PydanticCustomError("misfit", "{message}", {"place": place, "message": message})
    for value in values:
        if not genes[other].admits(value):
            _refuse_a_misspelt_value(other, genes[other], value, known().get(other, ()))
            raise PydanticCustomError(
                "misfit",
                "{other} never has the value {value}; accepted: {domain}",
                {"place": place, "other": other, "value": repr(value), "domain": genes[other].domain},
            )


def _refuse_a_misspelt_gene(genes: Mapping[str, Conditional], meant: str, known: Words) -> None:
    """Raise PydanticCustomError at the gene that decides no setting, and is called nearly as the one that is meant."""
    odd = get_close_matches(meant, [name for name in genes if name not in known], n=1)
    if meant in known and odd:
        message = f"unknown setting (did you mean {meant!r}?)"
        raise PydanticCustomError("misfit", "{message}", {"place": (odd[0],), "message": message})


def _refuse_a_misspelt_value(name: str, gene: Conditional, meant: Any, accepted: Collection[str]) -> None:
    """Raise PydanticCustomError at the value of a gene that its setting does not take, where it takes the one meant."""
    values = list(getattr(gene, "values", ()))
    odd = next((value for value in values if accepted and value not in accepted), None)
    if odd is not None and meant in accepted:
        remedy = REMEDY if name.rpartition(".")[2] == "kind" else ""
        message = f"{odd!r} is no value of {name}{closest(odd, accepted)}; accepted: {', '.join(accepted)}{remedy}"
        raise PydanticCustomError(
            "misfit", "{message}", {"place": (name, "values", values.index(odd)), "message": message}
        )
