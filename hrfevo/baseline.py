"""The transformer that winners are measured against: a search space of its own, tuned with the same budget."""

from __future__ import annotations

import math
from typing import Any

from hrfevo.genes import LayersGene
from hrfevo.genome import express
from hrfevo.space import SearchSpace
from hrfevo.validation import simplest
from signal_model.config import ModelConfig, TrainingConfig

HEADS = (1, 2, 4, 8)
# How far the learning rate is searched to either side of the fixed one.
REACH = 4.0


def baseline_of(space: SearchSpace, evaluations: int, most_parameters: float | None) -> dict[str, Any]:
    """A search space file's content: causal transformers under the conditions of `space`.

    The text, training settings, rungs, objectives, constraints and share of fresh seeds are those of `space`, and so
    are the genes of its training and width. Searched are besides: the learning rate, and the number of layers, heads,
    expansion and activation of attention (rotary, queries and keys normalised) and feed-forward. `most_parameters`
    bounds the size, unless it is None or `space` bounds it more tightly.
    """
    kept = {name: gene for name, gene in space.genes.items() if name == "width" or name.startswith("training.")}
    genes: dict[str, Any] = {
        name: gene.to_dict() | {"when": {other: v for other, v in gene.conditions.items() if other in kept}}
        for name, gene in kept.items()
    }
    if "training.learning_rate" not in genes:
        rate = float(space.training.get("learning_rate", TrainingConfig().learning_rate))
        genes["training.learning_rate"] = {"type": "float", "low": rate / REACH, "high": rate * REACH, "log": True}
    layers = space.genes.get("layers")
    fixed = space.model.get("layers", ModelConfig().layers)
    least, most = (
        (layers.min, layers.max) if isinstance(layers, LayersGene) else (max(1, len(fixed) - 1), len(fixed) + 1)
    )
    genes["layers"] = {
        "type": "layers",
        "min": least,
        "max": most,
        "fixed": {"mixer": {"kind": "attention"}, "feedforward": {"kind": "mlp"}},
        "genes": {
            "mixer.heads": {"type": "ordered", "values": _heads(space)},
            "feedforward.expansion": {"type": "ordered", "values": [1.0, 2.0, 4.0]},
            "feedforward.activation": {"type": "choice", "values": ["relu2", "gelu", "swiglu"]},
        },
    }
    constraints = {name: bounds.to_dict() for name, bounds in space.constraints.items()}
    if most_parameters is not None:
        bounds = constraints.get("parameters", {})
        constraints["parameters"] = bounds | {"max": min(bounds.get("max") or math.inf, most_parameters)}
    training = {name: value for name, value in space.training.items() if f"training.{name}" not in genes}
    return {
        "name": f"{space.name}-baseline",
        "description": f"Transformers under the conditions of {space.name}",
        "corpus": space.corpus.to_dict(),
        "tokenizer": space.tokenizer.to_dict(),
        "model": {name: space.model[name] for name in ("context", "width") if name in space.model},
        "training": training,
        "genes": genes,
        "objectives": dict(space.objectives),
        "constraints": constraints,
        "rungs": space.rungs,
        "promote": space.promote,
        "replicates": space.replicates,
        "population": space.population,
        "budget": {"evaluations": evaluations},
        "resources": space.resources.to_dict(),
        "confirm": space.confirm.to_dict(),
    }


def smallest_of(space: SearchSpace) -> int:
    """Parameters of the smallest transformer in a space of `baseline_of`."""
    from signal_model.model import build_model, count_parameters

    return count_parameters(build_model(express(space, simplest(space), seed=0).model, seed=0))


def _heads(space: SearchSpace) -> list[int]:
    """Those that divide every width into even parts, as rotary positions need."""
    gene = space.genes.get("width")
    widths = gene.all_values() if gene is not None else [space.model.get("width", ModelConfig().width)]
    common = math.gcd(*map(int, widths))
    return [heads for heads in HEADS if common % (2 * heads) == 0] or [1]
