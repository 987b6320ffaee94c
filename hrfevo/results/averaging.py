"""Means over the seeds that a genome was trained with, and the step time that counts."""

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

    `doubts` are of all, as the scatter of those with several seeds says; none where there are no such. Its step time is
    the one alone, where that is known. What is averaged already stays as it is.
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
    """With the step time that was measured alone, where one was."""
    if not evaluation.timings:
        return evaluation
    doubts = {name: doubt for name, doubt in evaluation.doubts.items() if name != "step_time"}
    return replace(evaluation, metrics=evaluation.metrics | {"step_time": min(evaluation.timings)}, doubts=doubts)


def _mean(values: Sequence[float]) -> float:
    """Of equal numbers, as of counts, the number itself."""
    return values[0] if len(set(values)) == 1 else fmean(values)
