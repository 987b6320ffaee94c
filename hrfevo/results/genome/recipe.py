"""A genome as a recipe that `signal-model train` reads, or as a bare model config."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hrfevo.space.genome import Genome, express
from hrfevo.space.metrics import measure
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from signal_model.config import ModelConfig, Recipe
from signal_model.config.task import TASK_WORDS
from signal_model.support.errors import counted
from signal_model.support.files import to_yaml
from signal_model.support.plugins import command, plugins

if TYPE_CHECKING:
    from hrfevo.results.confirmation.confirmed import Confirmed


def recipe_of(space: SearchSpace, evaluation: Evaluation) -> Recipe:
    """Model, training up to the last rung, corpus and tokenizer of an evaluation, seed included."""
    return express(space, Genome(evaluation.values), seed=evaluation.seed)


def recipe_yaml(space: SearchSpace, evaluation: Evaluation, run_name: str, confirmed: Sequence[Confirmed] = ()) -> str:
    """The recipe as YAML under a comment that says where it comes from, what it scored when it was confirmed, if it
    was, and how to train it."""
    recipe = recipe_of(space, evaluation)
    steps, last = space.rungs[evaluation.rung], space.rungs[-1]
    again = "The same score" if evaluation.seeds == 1 else f"With the first of its {evaluation.seeds} seeds"
    words = ("signal-model", "train", "THIS_FILE", "--output", "DIR", "--threads", space.resources.cpus)
    training = command(*words, plugins=plugins_of(recipe.model))
    header = (
        _origin(evaluation, run_name, recipe, confirmed)
        + (
            f"# That was after {counted(steps, 'step')}. To the last of {last:,}"
            if steps < last
            else f"# {again} again"
        )
        + f": {training}\n"
        f"# Longer: add --steps N\n"
    )
    return header + to_yaml(recipe.to_dict())


def model_yaml(space: SearchSpace, evaluation: Evaluation, run_name: str, confirmed: Sequence[Confirmed] = ()) -> str:
    """The model config alone as YAML, under a comment that says where it comes from."""
    recipe = recipe_of(space, evaluation)
    return _origin(evaluation, run_name, recipe, confirmed) + to_yaml(recipe.model.to_dict())


def as_json(settings: dict[str, Any]) -> str:
    """Settings as JSON, which has no comments."""
    return json.dumps(settings, indent=2, ensure_ascii=False) + "\n"


def _origin(evaluation: Evaluation, run_name: str, recipe: Recipe, confirmed: Sequence[Confirmed]) -> str:
    needed = "".join(
        f"# Its parts need the plugin {name}: installed, or --plugin.\n" for name in plugins_of(recipe.model)
    )
    assert recipe.corpus is not None
    name = TASK_WORDS[recipe.task].score
    score, unit = evaluation.metrics.get(name), measure(name, recipe.corpus.unit).unit
    measured = f"{score:.6f} {unit} on validation" if score is not None else evaluation.reason
    seeds = "one seed" if evaluation.seeds == 1 else f"the mean of {evaluation.seeds} seeds"
    again = next((one for one in confirmed if one.genome == evaluation.genome and one.origin != "baseline"), None)
    how = f"{seeds}, chosen by the search" + ("" if again else ", not confirmed")
    return f"# Genome {evaluation.genome} of run {run_name}: {measured} ({how}).\n" + _again(again) + needed


def _again(confirmed: Confirmed | None) -> str:
    if confirmed is None:
        return ""
    spread = f" ± {confirmed.spread:.6f}" if len(confirmed.seeds) > 1 else ""
    return (
        f"# Confirmed by {counted(len(confirmed.seeds), 'training')} from scratch with fresh seeds, of "
        f"{counted(confirmed.steps, 'step')}: {confirmed.mean:.6f}{spread} on validation, {confirmed.test_mean:.6f} on "
        f"test.\n"
    )


def plugins_of(model: ModelConfig) -> list[str]:
    """The plugins that parts of a model are of."""
    layers = (part for layer in model.layers for part in (layer.filter_bank, layer.mixer, layer.feedforward))
    homes = {_top(type(part).__module__) for part in (model.front_end, model.embedding, model.positions, *layers)}
    return [plugin.name for plugin in plugins() if _top(plugin.module.__name__) in homes]


def _top(module: str) -> str:
    return module.partition(".")[0]
