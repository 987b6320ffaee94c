"""Rivals that winners are measured against: each a search space of its own, with the same freedom."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hrfevo.runner.earlier.transfer import transferred
from hrfevo.runner.recipe_space import task_settings
from hrfevo.space.genes import BaseGene, LayersGene
from hrfevo.space.genome import canonical, express
from hrfevo.space.reading import parse_space
from hrfevo.space.rivals import TRANSFORMER, is_recipe, mixer_of, name_of
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import simplest
from signal_model.config import LayerConfig, MixerConfig, MLPConfig, ModelConfig, Recipe, TrainingConfig
from signal_model.support.files import to_yaml
from signal_model.support.settings import Misfit, ModelSize

# Heads of a mixer where the space says nothing of them.
HEADS = (1, 2, 4, 8)
RATE = "training.learning_rate"
# Settings of a model around its layers that a rival has too: what it hears by, both sides or not, and for what.
AROUND_LAYERS = ("width", "causal", "classes", "front_end")
# Settings of a layer that are none of its parts'.
OF_A_LAYER = ("repeat", "share")


def baseline_of(
    space: SearchSpace, budget: Mapping[str, float], most_parameters: float | None, rival: str = TRANSFORMER
) -> dict[str, Any]:
    """A search space file's content: models of a rival under the conditions of `space`, and with its freedom.

    The text, training settings, rungs, objectives, probes, constraints, limits, share of fresh seeds and timings are
    those of `space`.
    What it searches of training is searched here, in the same ranges; what it fixes is fixed. `most_parameters` bounds
    the size, unless it is None or `space` bounds it more tightly.

    Of transformers and of models of another mixer, front end, width, number of layers, feed-forward and what the mixer
    has are those of `space` too. Settings that differ between its fixed layers are searched among those. Only the heads
    of the mixer are searched where it says nothing of them. The model of a recipe is as its file says, but for the
    context. A mixer without a two-sided form stays causal.
    Raises InputError for a recipe that cannot be read.
    """
    kept = {name: gene for name, gene in space.genes.items() if name.startswith("training.")}
    training = space.training
    genes: dict[str, Any] = {}
    if is_recipe(rival):
        own = _of_recipe(rival, space)
    else:
        layers = _Layers(space, mixer_of(rival))
        kept |= {name: gene for name, gene in space.genes.items() if name.partition(".")[0] in layers.around}
        own, genes = layers.content(fixed=not kept)
    genes = {name: _without(gene, kept) for name, gene in kept.items()} | genes
    if not genes:  # a space has genes: here the rate that it fixes
        rate = training.get("learning_rate", TrainingConfig().learning_rate)
        genes = {RATE: {"type": "choice", "values": [rate]}}
        training = {name: value for name, value in training.items() if name != "learning_rate"}
    constraints = {name: bounds.to_dict() for name, bounds in space.constraints.items()}
    if most_parameters is not None:
        bounds = constraints.get("parameters", {})
        constraints["parameters"] = bounds | {"max": min(bounds.get("max") or math.inf, most_parameters)}
    return {
        "name": f"{space.name}-baseline",
        "description": f"Rivals of {space.name} under its conditions: {name_of(rival)}",
        **task_settings(space.task),
        "corpus": space.corpus.to_dict(),
        "tokenizer": space.tokenizer.to_dict(),
        "model": own,
        "training": training,
        "genes": genes,
        "objectives": dict(space.objectives),
        "constraints": constraints,
        "rungs": space.rungs,
        "promote": space.promote,
        "replicates": space.replicates,
        "timings": space.timings,
        "probe_steps": space.probe_steps,
        "population": space.population,
        "budget": dict(budget),
        "resources": space.resources.to_dict(),
        "limits": space.limits.to_dict(),
        "confirm": space.confirm.to_dict(),
    }


def founded(content: Mapping[str, Any], space: SearchSpace) -> dict[str, Any]:
    """The content of a rival's file with the founders of `space` that are models of this rival: those who search it
    begin with no less than the search did."""
    rivals, found = parse_space(to_yaml(content), "rival"), {}
    for name, values in space.founders.items():
        with suppress(ValueError):  # it is no model of theirs
            moved = transferred(space, canonical(space, values), rivals)
            if not moved.difference:
                found[name] = moved.genome.values
    return {**content, "founders": found} if found else dict(content)


def smallest_of(space: SearchSpace) -> int:
    """Parameters of the smallest model in a space of `baseline_of`."""
    from signal_model.model import build_model, count_parameters

    return count_parameters(build_model(express(space, simplest(space), seed=0).model, seed=0))


def recipes_of(rivals: Sequence[str]) -> dict[str, Any]:
    """The models of those that are recipes, by file. Raises InputError for one that cannot be read."""
    return {told: Recipe.load(told).model.to_dict() for told in rivals if is_recipe(told)}


def _of_recipe(path: str, space: SearchSpace) -> dict[str, Any]:
    """The model of a recipe, in the context of `space`; its vocabulary is that of the text."""
    model = Recipe.load(path).model.to_dict() | _said_of(space, "context")
    return {name: value for name, value in model.items() if name != "vocab_size"}


def _said_of(space: SearchSpace, *names: str) -> dict[str, Any]:
    return {name: space.model[name] for name in names if name in space.model}


@dataclass(frozen=True)
class _Layers:
    """The layers of a rival: all of one mixer, and multilayer perceptrons, as free as those of a space."""

    space: SearchSpace
    kind: str

    @cached_property
    def parts(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """What a layer is made of: a part, its kind, and the settings that this kind has."""
        mixer, feedforward = MixerConfig.kinds()[self.kind], MLPConfig
        return {
            part: (kind, tuple(name for name in config.model_fields if name != "kind"))
            for part, kind, config in (("mixer", self.kind, mixer), ("feedforward", "mlp", feedforward))
        }

    @property
    def around(self) -> tuple[str, ...]:
        """What the model has around them; a mixer that hears the past alone stays causal."""
        both_sides = MixerConfig.kinds()[self.kind].two_sided
        return tuple(name for name in AROUND_LAYERS if both_sides or name != "causal")

    @property
    def _has_heads(self) -> bool:
        return "heads" in self.parts["mixer"][1]

    def content(self, fixed: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fixed settings of the model, and the gene of its layers if there is one, as there is if all else is
        `fixed`."""
        model = _said_of(self.space, "context", *self.around)
        count, settings, free = self._found()
        if not free and (fixed or count[0] < count[1]):  # a list of layers that varies, or a space, has genes
            if self._has_heads:
                settings["mixer"].pop("heads")
                free = self._heads(settings, HEADS)
            else:
                expansion = settings["feedforward"].pop("expansion", MLPConfig().expansion)
                free = {"feedforward.expansion": _among([expansion])}
        if not free:
            return model | {"layers": [settings] * count[0]}, {}
        return model, {"layers": {"type": "layers", "min": count[0], "max": count[1], "fixed": settings, "genes": free}}

    def _found(self) -> tuple[tuple[int, int], dict[str, Any], dict[str, Any]]:
        """How few and how many layers there are, what is fixed of each, and its genes."""
        fixed: dict[str, Any]
        layers = self.space.genes.get("layers")
        if isinstance(layers, LayersGene):
            count, said, free = (layers.min, layers.max), self._said(layers), dict(self._free(layers))
            fixed = {name: layers.fixed[name] for name in OF_A_LAYER if name in layers.fixed}
        else:
            told = self.space.model.get("layers", ModelConfig().to_dict()["layers"])
            own = [LayerConfig.model_validate(layer) for layer in told]
            depth = sum(layer.repeat for layer in own)
            count, said, free, fixed = (depth, depth), self._agreed(own), {}, {}
        fixed |= {part: {"kind": kind} for part, (kind, _) in self.parts.items()}
        for (part, name), values in said.items():
            if len(values) == 1:
                fixed[part][name] = values[0]
            else:
                free[f"{part}.{name}"] = _among(values)
        if "mixer.heads" in free and isinstance(layers, LayersGene):
            free |= self._heads(fixed, layers.genes["mixer.heads"].all_values())
        elif self._has_heads and "heads" not in fixed["mixer"]:
            free |= self._heads(fixed, HEADS)
        return count, fixed, free

    def _said(self, layers: LayersGene) -> dict[tuple[str, str], list[Any]]:
        """What all layers have fixed of settings that the rival has too; of a mixer, where it may be the rival's."""
        found: dict[tuple[str, str], list[Any]] = {}
        for part, (kind, names) in self.parts.items():
            settings = layers.fixed.get(part, {})
            if part == "feedforward" or settings.get("kind", kind) == kind:
                found |= {(part, name): [settings[name]] for name in names if name in settings}
        return found

    def _agreed(self, configs: Sequence[LayerConfig]) -> dict[tuple[str, str], list[Any]]:
        """The different values that fixed layers have of settings that the rival has too."""
        found: dict[tuple[str, str], list[Any]] = {}
        for part, (kind, names) in self.parts.items():
            parts = [getattr(config, part) for config in configs]
            alike = [one for one in parts if part == "feedforward" or one.kind == kind]
            for name in names if alike else ():
                found[part, name] = list(dict.fromkeys(getattr(one, name) for one in alike))
        return found

    def _free(self, layers: LayersGene) -> Iterator[tuple[str, dict[str, Any]]]:
        """Genes of the layers that the rival has too, where they are active for it."""
        names = [f"{part}.{name}" for part, (_, settings) in self.parts.items() for name in settings]
        names += OF_A_LAYER
        kept = {name: gene for name, gene in layers.genes.items() if name in names and self._active(gene)}
        for name, gene in kept.items():
            yield name, _without(gene, kept)

    def _active(self, gene: BaseGene) -> bool:
        return all(kind in gene.conditions.get(f"{part}.kind", [kind]) for part, (kind, _) in self.parts.items())

    def _heads(self, fixed: Mapping[str, Any], wanted: Sequence[int]) -> dict[str, Any]:
        """A gene of those that fit every width."""
        gene, usual = self.space.genes.get("width"), ModelConfig()
        widths = gene.all_values() if gene is not None else [self.space.model.get("width", usual.width)]
        context = self.space.model.get("context", usual.context)
        fit = [n for n in wanted if all(self._fits(fixed["mixer"], n, int(width), context) for width in widths)]
        return {"mixer.heads": {"type": "ordered", "values": fit or [1]}}

    def _fits(self, mixer: Mapping[str, Any], heads: int, width: int, context: int) -> bool:
        try:
            MixerConfig.parse({**mixer, "heads": heads}).check(ModelSize(width, context))
        except Misfit:
            return False
        return True


def _among(values: Sequence[Any]) -> dict[str, Any]:
    return {"type": "choice", "values": list(values)}


def _without(gene: BaseGene, kept: Mapping[str, BaseGene]) -> dict[str, Any]:
    """A gene without conditions on genes that are not kept."""
    return gene.to_dict() | {"when": {other: values for other, values in gene.conditions.items() if other in kept}}
