"""What the losses of a run are worth, beside those that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hrfevo.results.history import History
from hrfevo.space.genome import express
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import simplest
from signal_model.evaluation.yardsticks import Yardsticks, judged

if TYPE_CHECKING:
    from signal_model.data.corpus import Corpus


def measured_on(space: SearchSpace, corpus: Corpus) -> dict[str, float]:
    """Yardsticks on what the models of a space are scored on; where windows differ, on the shortest."""
    from signal_model.training.tasks import task_of

    recipe = express(space, simplest(space), seed=0)
    return task_of(recipe.model).yardsticks(corpus, recipe.model, recipe.training)


def yardsticks_of(settings: Mapping[str, Any]) -> Yardsticks:
    """What a run's `run.json` says of them; none for runs of earlier versions."""
    corpus = settings.get("corpus")
    kept = corpus.get("yardsticks") if isinstance(corpus, Mapping) else None
    if not isinstance(kept, Mapping):
        return {}
    return {str(name): float(value) for name, value in kept.items() if isinstance(value, int | float)}


def worth(scores: Yardsticks, history: History) -> str:
    """What the best score at the highest rung, of means over seeds, is worth beside `scores`, as a sentence; empty if
    none is known."""
    space = history.space
    found = (e.metrics[space.score] for e in history.at_rung(None) if space.score in e.metrics)
    return worth_of(found, scores, space)


def worth_of(found: Iterable[float], scores: Yardsticks, space: SearchSpace) -> str:
    """The same of these scores."""
    lowest = min(found, default=None)
    said = "" if lowest is None else judged(lowest, scores)
    return f"The lowest {_noun(space)}, {lowest:.4f} {space.measure(space.score).unit}, is {said}." if said else ""


def _noun(space: SearchSpace) -> str:
    return "loss" if space.score == space.loss else space.measure(space.score).words
