"""Whose steps are timed again, alone, and how far their trainings were wrong.

The step time of a training holds what else its machine did then, other workers first of all: whoever was trained in a
quiet moment stays on the front for that.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Evaluation
from signal_model.support.errors import counted

# Who would come to the front if its training had been held up as much as that of the quarter that was most, is timed.
HELD_UP = 0.25


@dataclass(frozen=True)
class Timings:
    """Of genomes at the top rung whose steps were timed again: the time alone, as shares of what trainings said."""

    genomes: int
    lowest: float
    median: float
    highest: float

    @property
    def words(self) -> str:
        """`step_time of 7 genomes is timed again, alone: 0.83 of what their trainings said (0.61 to 0.98)`."""
        known = f"{self.median:.2f} of what {'its training' if self.genomes == 1 else 'their trainings'} said"
        span = "" if self.genomes == 1 else f" ({self.lowest:.2f} to {self.highest:.2f})"
        return f"step_time of {counted(self.genomes, 'genome')} is timed again, alone: {known}{span}"


def timings_of(history: History) -> Timings | None:
    """None where nothing was timed. The history is that of the store, as trainings measured it."""
    shares = _shares(history)
    if not len(shares):
        return None
    return Timings(len(shares), float(shares.min()), float(np.median(shares)), float(shares.max()))


def to_time(history: History, without: Set[str] = frozenset()) -> list[Evaluation]:
    """Who is to be timed now, each once; nobody is left when all are that count, but for those `without`.

    First whoever has been begun: one timing may itself have been disturbed. Then the front, then those that would be on
    it if their trainings had been held up as much as others were: else whoever was held up would be behind for good.
    The history is that of the store.
    """
    space = history.space
    if not space.counts_step_time:
        return []
    if begun := _due(space, [one for one in history.top if one.timings], without):
        return begun
    if due := _due(space, history.front, without):
        return due
    shares = _shares(history)
    if "step_time" not in space.objectives or not len(shares):
        return []
    share = min(1.0, float(np.quantile(shares, HELD_UP)))
    return _due(space, history.among(_faster(one, share) for one in history).front, without)


def _due(space: SearchSpace, found: Sequence[Evaluation], without: Set[str]) -> list[Evaluation]:
    return [one for one in found if len(one.timings) < space.timings and one.genome not in without]


def _shares(history: History) -> np.ndarray:
    timed = {one.genome: one for one in history.top if one.timings}
    return np.array([min(one.timings) / one.metrics["step_time"] for one in timed.values()])


def _faster(evaluation: Evaluation, share: float) -> Evaluation:
    if evaluation.status != "finished" or evaluation.timings:
        return evaluation
    return replace(evaluation, metrics=evaluation.metrics | {"step_time": share * evaluation.metrics["step_time"]})
