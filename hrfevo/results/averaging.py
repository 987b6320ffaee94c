"""Means over the seeds that a genome was trained with, and the times that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from hrfevo.algorithms.seeds import Scores
from hrfevo.space.metrics import Metric
from hrfevo.store.store import Evaluation


def averaged(objectives: Iterable[Metric], evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Finished evaluations of one rung, one for each genome: its first, whose metrics are the means over its seeds.

    `doubts` are of all, as the scatter of those with several seeds says; none where there are no such. Its times are
    those alone, where they are known. What is averaged already stays as it is.
    """
    own: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        own.setdefault(evaluation.genome, []).append(evaluation)
    if len(own) == len(evaluations) or any(evaluation.seeds > 1 for evaluation in evaluations):
        return [_alone(same[0]) for same in own.values()]
    return [_alone(one) for one in _means([*objectives], own)]


def _means(names: Sequence[Metric], own: Mapping[str, Sequence[Evaluation]]) -> list[Evaluation]:
    scores = Scores.of([np.array([[e.metrics[name] for name in names] for e in same]) for same in own.values()])
    return [
        replace(
            same[0],
            metrics={name: _mean([e.metrics[name] for e in same if name in e.metrics]) for name in same[0].metrics},
            seeds=len(same),
            doubts=dict(zip(names, doubts.tolist(), strict=True)),
        )
        for same, doubts in zip(own.values(), scores.doubts, strict=True)
    ]


def _alone(evaluation: Evaluation) -> Evaluation:
    """With what was timed alone, where anything was."""
    if not evaluation.timings:
        return evaluation
    alone = least(evaluation.timings)
    doubts = {name: doubt for name, doubt in evaluation.doubts.items() if name not in alone}
    return replace(evaluation, metrics=evaluation.metrics | alone, doubts=doubts)


def least(timings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of several times that something was timed the shortest, by metric: whatever else ran has only lengthened it."""
    names = dict.fromkeys(name for timing in timings for name in timing)
    return {name: min(timing[name] for timing in timings if name in timing) for name in names}


def _mean(values: Sequence[float]) -> float:
    """Of equal numbers, as of counts, the number itself."""
    return values[0] if len(set(values)) == 1 else fmean(values)
