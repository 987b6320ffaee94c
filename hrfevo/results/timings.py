"""Whose steps are timed again, alone, and how far their evaluations were wrong.

The step time of a training, and the time of a generated token, hold what else their machine did then, other workers
first of all: whoever was measured in a quiet moment stays on the front for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from hrfevo.results.averaging import least
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from signal_model.support.errors import counted

# Who would come to the front if its training had been held up as much as that of the quarter that was most, is timed.
HELD_UP = 0.25


@dataclass(frozen=True)
class Timings:
    """Of genomes at the top rung whose steps were timed again: a time alone, as shares of what evaluations said."""

    metric: str
    genomes: int
    lowest: float
    median: float
    highest: float

    @property
    def words(self) -> str:
        """`step_time of 7 genomes is timed again, alone: 0.83 of what their trainings said (0.61 to 0.98)`."""
        known = f"{self.median:.2f} of what {'its training' if self.genomes == 1 else 'their trainings'} said"
        span = "" if self.genomes == 1 else f" ({self.lowest:.2f} to {self.highest:.2f})"
        return f"{self.metric} of {counted(self.genomes, 'genome')} is timed again, alone: {known}{span}"


def timings_of(history: History) -> list[Timings]:
    """One of each metric that counts, none where nothing was timed. The history is that of the store, as evaluations
    measured it."""
    found = {name: _shares(history, name) for name in history.space.timed}
    return [
        Timings(name, len(shares), float(shares.min()), float(np.median(shares)), float(shares.max()))
        for name, shares in found.items()
        if len(shares)
    ]


def to_time(history: History, without: Set[str] = frozenset()) -> list[Evaluation]:
    """Who is to be timed now, each once; nobody is left when all are that count, but for those `without`.

    First whoever has been begun: one timing may itself have been disturbed. Then the front, then those that would be on
    it if their trainings had been held up as much as others were: else whoever was held up would be behind for good.
    The history is that of the store.
    """
    space = history.space
    if not space.timed:
        return []
    if begun := _due(space, [one for one in history.at_rung(None) if one.timings], without):
        return begun
    if due := _due(space, history.front, without):
        return due
    found = {name: _shares(history, name) for name in space.timed if name in space.objectives}
    held_up = {name: min(1.0, float(np.quantile(shares, HELD_UP))) for name, shares in found.items() if len(shares)}
    if not held_up:
        return []
    return _due(space, history.among(_faster(one, held_up) for one in history).front, without)


def _due(space: SearchSpace, found: Sequence[Evaluation], without: Set[str]) -> list[Evaluation]:
    return [one for one in found if len(one.timings) < space.timings and one.genome not in without]


def _shares(history: History, metric: str) -> np.ndarray:
    timed = {one.genome: (least(one.timings), one.metrics) for one in history.top if one.timings}
    return np.array([alone[metric] / then[metric] for alone, then in timed.values() if metric in alone])


def _faster(evaluation: Evaluation, held_up: Mapping[str, float]) -> Evaluation:
    if evaluation.status != "finished" or evaluation.timings:
        return evaluation
    faster = {name: share * evaluation.metrics[name] for name, share in held_up.items()}
    return replace(evaluation, metrics=evaluation.metrics | faster)
