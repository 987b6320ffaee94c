"""Genomes of one space in another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from hrfevo.space.genes import BaseGene, LayersGene, Value
from hrfevo.space.genome import Genome, Values, canonical, express, flat, resolve
from hrfevo.space.search_space import SearchSpace
from signal_model.support.files import explain

# They are the run's and the search's, not the genome's.
NOT_OF_THE_GENOME = ("model.vocab_size", "training.steps", "training.seed")


@dataclass(frozen=True)
class Transfer:
    """A genome of another space, and where its training would differ: in the first setting that is fixed otherwise."""

    genome: Genome
    difference: str
    """`model.width was 32, here it is 64`; empty where model and training are the same."""


def transferred(earlier: SearchSpace, genome: Genome, space: SearchSpace) -> Transfer:
    """A genome of an `earlier` space as one of `space`.

    Genes that the earlier space did not have take the settings that it used: what it fixed, or else the default of the
    recipe. Genes that `space` does not have must have the value that is fixed here.

    Raises ValueError naming the gene that does not fit.
    """
    before = _settings(earlier, genome)
    found = canonical(space, _filled(space.genes, genome.values, before["model"] | {"training": before["training"]}))
    searched = {_place(name) for name in flat(genome.values)}
    difference = ""
    for place, was, here in _differences(before, _settings(space, found)):
        told = f"{place} was {_shown(was)}, here it is {_shown(here)}"
        if any(place == name or place.startswith(f"{name}.") for name in searched):
            raise ValueError(f"genome: {told}")
        difference = difference or told
    return Transfer(found, difference)


def _settings(space: SearchSpace, genome: Genome) -> dict[str, Any]:
    """Of model and training. Raises ValueError in a line if they do not fit together."""
    try:
        recipe = express(space, genome, seed=0).to_dict()
    except ValidationError as error:
        raise explain(error, "genome") from None
    return {"model": recipe["model"], "training": recipe["training"]}


def _filled(genes: Mapping[str, Any], known: Mapping[str, Value], settings: Mapping[str, Any]) -> Values:
    def choose(name: str, gene: BaseGene) -> Value:
        if isinstance(gene, LayersGene):
            layers = settings["layers"]
            own = known.get(name, [{}] * len(layers))
            return [_filled(gene.genes, one, layer) for one, layer in zip(own, layers, strict=True)]
        return known[name] if name in known else _setting(settings, name)

    return resolve(genes, choose)


def _setting(settings: Any, name: str) -> Value:
    for part in name.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            raise ValueError(f"genome: {name} is active here, and no setting of its model")
        settings = settings[part]
    return settings


def _place(gene: str) -> str:
    """Where a gene stands in the settings."""
    return gene if gene.startswith("training.") else f"model.{gene}"


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Settings that differ: place and both values, None where there is none."""
    one, other = dict(_flat(before)), dict(_flat(after))
    for place in dict.fromkeys([*one, *other]):
        if one.get(place) != other.get(place) and place not in NOT_OF_THE_GENOME:
            yield place, one.get(place), other.get(place)


def _flat(settings: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves by place; of a list of mappings its length comes first."""
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from _flat(value, f"{place}.{name}" if place else name)
    elif isinstance(settings, list) and settings and isinstance(settings[0], Mapping):
        yield place, len(settings)
        for index, value in enumerate(settings):
            yield from _flat(value, f"{place}[{index}]")
    else:
        yield place, settings


def _shown(value: Any) -> str:
    return "not there" if value is None else repr(value)
