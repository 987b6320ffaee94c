"""A recipe as a search space, so that its trainings are those of a run: kept as they end, and gone on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from signal_model.config import Recipe
from signal_model.config.task import TaskName


def space_of(recipe: Recipe, steps: int, description: str, population: int = 4) -> dict[str, Any]:
    """What a space file would say of a recipe with a text, but for genes and a budget."""
    assert recipe.corpus is not None
    return {
        "name": "side",
        "description": description,
        **task_settings(recipe.task),
        "corpus": recipe.corpus.to_dict(),
        "tokenizer": recipe.tokenizer.to_dict(),
        "model": without(recipe.model.to_dict(), ["vocab_size"]),
        "training": without(recipe.training.to_dict(), ["steps", "seed"]),
        "rungs": [steps],
        "population": population,
        "confirm": {"top": 0},
    }


def task_settings(task: TaskName) -> dict[str, Any]:
    """What a space file says of a task: nothing of the usual one, as before there were others."""
    return {} if task == "language_modelling" else {"task": task}


def of_one(content: Mapping[str, Any], recipe: Recipe, seeds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The space of a recipe alone, with room for so many trainings, and its one genome: a space has a gene."""
    rate = recipe.training.learning_rate
    genes = {"training.learning_rate": {"type": "choice", "values": [rate]}}
    training = without(content["training"], [*genes])
    whole = {**content, "genes": genes, "training": training, "budget": {"evaluations": seeds}}
    return whole, {"training.learning_rate": rate}


def without(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Settings without those that dotted names, such as `training.optimizer.learning_rate`, say."""
    inner = {name.removeprefix("training.") for name in names}
    return {
        name: without(value, [one.removeprefix(f"{name}.") for one in inner if one.startswith(f"{name}.")])
        if isinstance(value, dict)
        else value
        for name, value in settings.items()
        if name not in inner
    }
