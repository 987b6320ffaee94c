"""Means over the seeds that a genome was trained with, and the times that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hrfevo.algorithms.seeds import Scores, grouped
from hrfevo.space.metrics import Metric
from hrfevo.store.records import Evaluation


@dataclass(frozen=True)
class Means:
    """Of N genomes, in the order in which they first stand among evaluations of one rung.

    `first` are the places of those, (N,); `counts` how many seeds each has, (N,); `values` the means of each metric,
    (N, metrics), NaN where the first has none; `doubts` are standard errors, (N, objectives), as the scatter of those
    with several seeds says: 0 where there are no such.
    """

    first: np.ndarray
    counts: np.ndarray
    values: np.ndarray
    doubts: np.ndarray

    @classmethod
    def of(cls, genomes: Iterable[str], values: np.ndarray, objectives: Sequence[int]) -> Means:
        """Of evaluations whose metrics are (M, metrics), NaN for none; `objectives` are places among these."""
        numbers: dict[str, int] = {}
        groups = np.array([numbers.setdefault(genome, len(numbers)) for genome in genomes], int)
        first, counts = np.unique(groups, return_index=True)[1], np.bincount(groups)
        if len(first) == len(groups):
            return cls(first, counts, values, np.zeros((len(groups), len(objectives))))
        known, own = ~np.isnan(values), values[first]
        with np.errstate(invalid="ignore"):
            means = grouped(groups, np.where(known, values, 0.0)) / grouped(groups, known)
        # Of equal numbers, as of counts, the number itself.
        differ = grouped(groups, known & (values != own[groups])) > 0
        means = np.where(differ & ~np.isnan(own), means, own)
        return cls(first, counts, means, Scores.by(groups, values[:, objectives]).doubts)


def averaged(objectives: Iterable[Metric], evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Finished evaluations of one rung, one for each genome: its first, whose metrics are the means over its seeds.

    `doubts` are of all, as the scatter of those with several seeds says; none where there are no such. Its times are
    those alone, where they are known. What is averaged already stays as it is.
    """
    firsts: dict[str, Evaluation] = {}
    for evaluation in evaluations:
        firsts.setdefault(evaluation.genome, evaluation)
    if len(firsts) == len(evaluations) or any(evaluation.seeds > 1 for evaluation in evaluations):
        return [with_times(one) for one in firsts.values()]
    return [with_times(one) for one in _means([*objectives], evaluations)]


def _means(objectives: Sequence[Metric], evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    names = [*dict.fromkeys(name for e in evaluations for name in e.metrics)]
    values = np.array([[e.metrics.get(name, np.nan) for name in names] for e in evaluations], float)
    found = Means.of((e.genome for e in evaluations), values, [names.index(name) for name in objectives])
    rows = zip(found.first.tolist(), found.counts.tolist(), found.values.tolist(), found.doubts.tolist(), strict=True)
    return [
        replace(
            evaluations[place],
            metrics=_changed(evaluations[place].metrics, dict(zip(names, means, strict=True))),
            seeds=count,
            doubts=dict(zip(objectives, doubts, strict=True)),
        )
        for place, count, means, doubts in rows
    ]


def _changed(metrics: dict[str, float], means: dict[str, float]) -> dict[str, float]:
    """Means of those metrics; a whole number stays one where its mean is equal."""
    return {name: value if value == means[name] else means[name] for name, value in metrics.items()}


def with_times(evaluation: Evaluation) -> Evaluation:
    """With the times that count: those alone, where anything was timed alone."""
    if not evaluation.timings:
        return evaluation
    alone = least(evaluation.timings)
    doubts = {name: doubt for name, doubt in evaluation.doubts.items() if name not in alone}
    return replace(evaluation, metrics=evaluation.metrics | alone, doubts=doubts)


def least(timings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of several times that something was timed the shortest, by metric: whatever else ran has only lengthened it."""
    names = dict.fromkeys(name for timing in timings for name in timing)
    return {name: min(timing[name] for timing in timings if name in timing) for name in names}
