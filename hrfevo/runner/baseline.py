"""The transformer that winners are measured against: a search space of its own, with the same freedom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hrfevo.space.genes import BaseGene, LayersGene
from hrfevo.space.genome import express
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import simplest
from signal_model.config import LayerConfig, ModelConfig

# Heads of attention where the space says nothing of them.
HEADS = (1, 2, 4, 8)
# What a transformer's layer is made of: a part, its kind there, and the settings that kind has.
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "mixer": ("attention", ("heads", "rotary", "window", "short_convolution")),
    "feedforward": ("mlp", ("expansion", "activation")),
}


def baseline_of(space: SearchSpace, budget: Mapping[str, float], most_parameters: float | None) -> dict[str, Any]:
    """A search space file's content: causal transformers under the conditions of `space`, and with its freedom.

    The text, training settings, rungs, objectives, constraints, share of fresh seeds and timings are those of `space`.
    What it searches of training, width, number of layers, feed-forward and attention is searched here, in the same
    ranges; what it fixes is fixed. Settings that differ between its fixed layers are searched among those. Only the
    heads of attention are searched where it says nothing of them. `most_parameters` bounds the size, unless it is None
    or `space` bounds it more tightly.
    """
    kept = {name: gene for name, gene in space.genes.items() if name == "width" or name.startswith("training.")}
    genes = {name: _without(gene, kept) for name, gene in kept.items()}
    model: dict[str, Any] = {name: space.model[name] for name in ("context", "width") if name in space.model}
    count, fixed, free = _layers(space)
    if not free and (count[0] < count[1] or not genes):  # a list of layers that varies, or a space, has genes
        fixed["mixer"].pop("heads")
        free = _heads(space, HEADS)
    if free:
        genes["layers"] = {"type": "layers", "min": count[0], "max": count[1], "fixed": fixed, "genes": free}
    else:
        model["layers"] = [fixed] * count[0]
    constraints = {name: bounds.to_dict() for name, bounds in space.constraints.items()}
    if most_parameters is not None:
        bounds = constraints.get("parameters", {})
        constraints["parameters"] = bounds | {"max": min(bounds.get("max") or math.inf, most_parameters)}
    return {
        "name": f"{space.name}-baseline",
        "description": f"Transformers under the conditions of {space.name}",
        "corpus": space.corpus.to_dict(),
        "tokenizer": space.tokenizer.to_dict(),
        "model": model,
        "training": space.training,
        "genes": genes,
        "objectives": dict(space.objectives),
        "constraints": constraints,
        "rungs": space.rungs,
        "promote": space.promote,
        "replicates": space.replicates,
        "timings": space.timings,
        "population": space.population,
        "budget": dict(budget),
        "resources": space.resources.to_dict(),
        "confirm": space.confirm.to_dict(),
    }


def smallest_of(space: SearchSpace) -> int:
    """Parameters of the smallest transformer in a space of `baseline_of`."""
    from signal_model.model import build_model, count_parameters

    return count_parameters(build_model(express(space, simplest(space), seed=0).model, seed=0))


def _layers(space: SearchSpace) -> tuple[tuple[int, int], dict[str, Any], dict[str, Any]]:
    """How few and how many layers there are, what is fixed of each, and its genes."""
    layers = space.genes.get("layers")
    if isinstance(layers, LayersGene):
        count, said, free = (layers.min, layers.max), _said(layers), dict(_free(layers))
    else:
        own = space.model.get("layers", ModelConfig().to_dict()["layers"])
        count, said, free = (len(own), len(own)), _agreed(own), {}
    fixed: dict[str, Any] = {part: {"kind": kind} for part, (kind, _) in PARTS.items()}
    for (part, name), values in said.items():
        if len(values) == 1:
            fixed[part][name] = values[0]
        else:
            free[f"{part}.{name}"] = {"type": "choice", "values": values}
    if "mixer.heads" in free and isinstance(layers, LayersGene):
        free |= _heads(space, layers.genes["mixer.heads"].all_values())
    elif "heads" not in fixed["mixer"]:
        free |= _heads(space, HEADS)
    return count, fixed, free


def _said(layers: LayersGene) -> dict[tuple[str, str], list[Any]]:
    """What all layers have fixed of settings that a transformer has too; of a mixer, where it may be attention."""
    found: dict[tuple[str, str], list[Any]] = {}
    for part, (kind, names) in PARTS.items():
        settings = layers.fixed.get(part, {})
        if part == "feedforward" or settings.get("kind", kind) == kind:
            found |= {(part, name): [settings[name]] for name in names if name in settings}
    return found


def _agreed(layers: Sequence[Any]) -> dict[tuple[str, str], list[Any]]:
    """The different values that fixed layers have of settings that a transformer has too."""
    configs = [LayerConfig.model_validate(layer) for layer in layers]
    found: dict[tuple[str, str], list[Any]] = {}
    for part, (kind, names) in PARTS.items():
        parts = [getattr(config, part) for config in configs]
        alike = [one for one in parts if part == "feedforward" or one.kind == kind]
        for name in names if alike else ():
            found[part, name] = list(dict.fromkeys(getattr(one, name) for one in alike))
    return found


def _free(layers: LayersGene) -> Iterator[tuple[str, dict[str, Any]]]:
    """Genes of the layers that a transformer has too, where they are active for it."""
    names = [f"{part}.{name}" for part, (_, settings) in PARTS.items() for name in settings]
    kept = {name: gene for name, gene in layers.genes.items() if name in names and _active(gene)}
    for name, gene in kept.items():
        yield name, _without(gene, kept)


def _active(gene: BaseGene) -> bool:
    return all(kind in gene.conditions.get(f"{part}.kind", [kind]) for part, (kind, _) in PARTS.items())


def _without(gene: BaseGene, kept: Mapping[str, BaseGene]) -> dict[str, Any]:
    """A gene without conditions on genes that are not kept."""
    return gene.to_dict() | {"when": {other: values for other, values in gene.conditions.items() if other in kept}}


def _heads(space: SearchSpace, wanted: Sequence[int]) -> dict[str, Any]:
    """A gene of those that divide every width into even parts, as rotary positions need."""
    gene = space.genes.get("width")
    widths = gene.all_values() if gene is not None else [space.model.get("width", ModelConfig().width)]
    common = math.gcd(*map(int, widths))
    return {"mixer.heads": {"type": "ordered", "values": [n for n in wanted if common % (2 * n) == 0] or [1]}}
