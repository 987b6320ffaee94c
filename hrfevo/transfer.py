"""Genomes of one space in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hrfevo.genes import BaseGene, LayersGene, Value
from hrfevo.genome import Genome, Values, canonical, express, resolve
from hrfevo.space import SearchSpace


def transferred(earlier: SearchSpace, genome: Genome, space: SearchSpace) -> Genome:
    """A genome of an `earlier` space as one of `space`: genes that it does not have take the settings that it used.

    Raises ValueError naming the gene if it is none of the space.
    """
    recipe = express(earlier, genome, seed=0).to_dict()
    settings = recipe["model"] | {"training": recipe["training"]}
    return canonical(space, {**genome.values, **_filled(space.genes, genome.values, settings)})


def _filled(genes: Mapping[str, Any], known: Mapping[str, Value], settings: Mapping[str, Any]) -> Values:
    def choose(name: str, gene: BaseGene) -> Value:
        if isinstance(gene, LayersGene):
            layers = settings["layers"]
            own = known.get(name, [{}] * len(layers))
            return [{**one, **_filled(gene.genes, one, layer)} for one, layer in zip(own, layers, strict=True)]
        return known[name] if name in known else _setting(settings, name)

    return resolve(genes, choose)


def _setting(settings: Any, name: str) -> Value:
    for part in name.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            raise ValueError(f"genome: {name} is active here, and no setting of its model")
        settings = settings[part]
    return settings
