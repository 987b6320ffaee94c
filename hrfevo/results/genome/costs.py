"""Where the parameters and operations of a model go, layers that cost the same counted together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hrfevo.space.search_space import SearchSpace
    from hrfevo.store.records import Evaluation
    from hrfevo.store.run_folder import RunFolder
    from signal_model.config import Recipe
    from signal_model.model import SignalClassifier, SignalLLM


_IN_LAYERS = ("filter bank", "mixer", "feed-forward")


@dataclass(frozen=True)
class PartCost:
    """A part of the model, or the same part of several layers together."""

    part: str
    """Such as `mixer (harmonic)`."""
    layers: tuple[int, ...]
    """From 1; none for a part outside the layers."""
    parameters: int
    flops_per_token: float
    """Floating-point operations of a forward pass over a full context."""

    @property
    def name(self) -> str:
        """`mixer (harmonic), layers 1–2`."""
        return f"{self.part}, {layers_in_words(self.layers)}" if self.layers else self.part


def buildable(space: SearchSpace, evaluation: Evaluation) -> Recipe:
    """The recipe of an evaluation. Raises InputError for settings that do not fit together."""
    from pydantic import ValidationError

    from hrfevo.results.genome.recipe import recipe_of
    from signal_model.support.files import explain

    try:
        return recipe_of(space, evaluation)
    except ValidationError as error:
        raise explain(error, f"genome {evaluation.genome}: has no model, its settings do not fit together") from None


def weighed(folder: RunFolder, recipe: Recipe, genome: str) -> tuple[SignalLLM, int]:
    """The model of a genome of a run with the weights that the search kept, and after how many steps those are.

    Where none are kept here, the model is as its training begins, after 0 steps.
    """
    from hrfevo.workers.trainings import fetched
    from signal_model.model import build_model
    from signal_model.support.errors import InputError
    from signal_model.training.checkpoints import trained_model

    try:
        with fetched(f"{folder.checkpoints()}/{genome}") as kept:
            return trained_model(kept, recipe)
    except (InputError, OSError):  # not kept, out of reach or damaged
        return build_model(recipe.model, recipe.training.seed), 0


def costs_by_part(model: SignalLLM | SignalClassifier) -> list[PartCost]:
    """All parts in the order of the data, then norms, residual stream and head; they sum to the model."""
    from signal_model.analysis.costs import component_frame, measure_cost, place_name

    rows = component_frame(measure_cost(model, repeats=0)).to_dict("records")
    found: dict[tuple[str, int, float], list[int]] = {}
    rest: dict[str, PartCost] = {}
    for row in rows:
        component, parameters, flops = str(row["component"]), int(row["parameters"]), float(row["flops"])
        if row["part"]:
            name = place_name(component, None, str(row["part"]))
            layers = found.setdefault((name, parameters, flops), [])
            layers += [int(row["layer"]) + 1] if component in _IN_LAYERS else []
        else:
            before = rest.get(component, PartCost(component, (), 0, 0.0))
            rest[component] = PartCost(component, (), before.parameters + parameters, before.flops_per_token + flops)
    return [
        PartCost(name, tuple(layers), parameters * max(1, len(layers)), flops * max(1, len(layers)))
        for (name, parameters, flops), layers in found.items()
    ] + list(rest.values())


def layers_in_words(layers: Sequence[int]) -> str:
    """Numbers of layers from 1, rising, in words: `layer 2`, `layers 1–3, 5`."""
    runs = [
        [layer for _, layer in run]
        for _, run in itertools.groupby(enumerate(layers), key=lambda pair: pair[1] - pair[0])
    ]
    spans = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs]
    return f"layer{'' if len(layers) == 1 else 's'} {', '.join(spans)}"
