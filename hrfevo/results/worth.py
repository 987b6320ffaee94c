"""What the losses of a run are worth, beside those that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hrfevo.results.history import History
from hrfevo.space.genome import express
from hrfevo.space.search_space import SearchSpace
from hrfevo.space.trials import simplest
from signal_model.evaluation.yardsticks import Yardsticks, judged, yardsticks

if TYPE_CHECKING:
    from signal_model.data.corpus import Corpus


def measured_on(space: SearchSpace, corpus: Corpus) -> dict[str, float]:
    """Yardsticks on the text that the models of a space are scored on; where windows differ, on the shortest."""
    recipe = express(space, simplest(space), seed=0)
    return yardsticks(corpus, recipe.model.context, recipe.training.validation_tokens)


def yardsticks_of(settings: Mapping[str, Any]) -> Yardsticks:
    """What a run's `run.json` says of them; none for runs of earlier versions."""
    corpus = settings.get("corpus")
    kept = corpus.get("yardsticks") if isinstance(corpus, Mapping) else None
    if not isinstance(kept, Mapping):
        return {}
    return {str(name): float(value) for name, value in kept.items() if isinstance(value, int | float)}


def worth(scores: Yardsticks, history: History) -> str:
    """What the lowest loss at the highest rung, of means over seeds, is worth beside `scores`, as a sentence; empty if
    none is known."""
    losses = (e.metrics["bits_per_byte"] for e in history.at_rung(None) if "bits_per_byte" in e.metrics)
    return worth_of(losses, scores)


def worth_of(losses: Iterable[float], scores: Yardsticks) -> str:
    """The same of these losses."""
    lowest = min(losses, default=None)
    said = "" if lowest is None else judged(lowest, scores)
    return f"The lowest loss, {lowest:.4f} bits per byte, is {said}." if said else ""
