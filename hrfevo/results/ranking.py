"""Who won, read from the store: the front and the best of a run.

Genomes that were measured with several seeds count for the mean. All are ranked by what can be relied on: the mean,
worse by its standard error, so that one lucky training does not win against a genome that was as good again and again.
Where steps were timed again, alone, the least time counts: whatever else runs only ever lengthens a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from hrfevo.algorithms.breeding.individual import Fitness, Individual, best_first, non_dominated
from hrfevo.algorithms.seeds import Scores
from hrfevo.space.genome import Genome
from hrfevo.space.metrics import measure
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.store import Evaluation
from signal_model.support.errors import InputError, closest, counted


def top_rung(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Finished evaluations of the highest rung that any finished."""
    finished = [evaluation for evaluation in evaluations if evaluation.status == "finished"]
    highest = max((evaluation.rung for evaluation in finished), default=0)
    return [evaluation for evaluation in finished if evaluation.rung == highest]


def averaged(space: SearchSpace, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Finished evaluations of one rung, one for each genome: its first, whose metrics are the means over its seeds.

    `doubts` are of all, as the scatter of those with several seeds says; none where there are no such. Its step time is
    the one alone, where that is known. What is averaged already stays as it is.
    """
    own: dict[str, list[Evaluation]] = {}
    for evaluation in evaluations:
        own.setdefault(evaluation.genome, []).append(evaluation)
    if len(own) == len(evaluations) or any(evaluation.seeds > 1 for evaluation in evaluations):
        return [_alone(same[0]) for same in own.values()]
    return [_alone(one) for one in _means(space, own)]


def _means(space: SearchSpace, own: Mapping[str, Sequence[Evaluation]]) -> list[Evaluation]:
    names = [str(name) for name in space.objectives]
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
    if not evaluation.timings:
        return evaluation
    doubts = {name: doubt for name, doubt in evaluation.doubts.items() if name != "step_time"}
    return replace(evaluation, metrics=evaluation.metrics | {"step_time": min(evaluation.timings)}, doubts=doubts)


def with_means(space: SearchSpace, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """All evaluations, the first of each genome at the top rung `averaged`."""
    means = {evaluation.number: evaluation for evaluation in averaged(space, top_rung(evaluations))}
    return [means.get(evaluation.number, evaluation) for evaluation in evaluations]


def front(space: SearchSpace, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Non-dominated genomes of the top rung, `averaged`, best first objective first."""
    peers = _peers(space, evaluations)
    return [peers[individual.genome.id] for individual in non_dominated(_individuals(space, peers.values()))]


def ranked(space: SearchSpace, evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
    """The best `count` of the top rung: the front by first objective, then the rest as NSGA-II ranks them."""
    peers = _peers(space, evaluations)
    first = front(space, evaluations)
    by_rank = best_first(_individuals(space, peers.values()), len(peers))
    rest = [peers[individual.genome.id] for individual in by_rank if peers[individual.genome.id] not in first]
    return (first + rest)[:count]


def at_rung(space: SearchSpace, evaluations: Sequence[Evaluation], rung: int | None) -> list[Evaluation]:
    """Finished evaluations of a rung, of the top one for None, `averaged`. Raises InputError for no rung of it."""
    if rung is None:
        found = top_rung(evaluations)
    elif rung < len(space.rungs):
        found = [e for e in evaluations if e.status == "finished" and e.rung == rung]
    else:
        accepted = ", ".join(f"{number} ({counted(steps, 'step')})" for number, steps in enumerate(space.rungs))
        raise InputError(f"rung {rung}: is none of this run; accepted: {accepted}")
    return averaged(space, found)


def check_metric(evaluations: Iterable[Evaluation], metric: str) -> None:
    """Raise InputError unless one of the evaluations has this metric."""
    measured = {name for evaluation in evaluations for name in evaluation.metrics}
    if metric not in measured:
        accepted = ", ".join(sorted(measured)) or "none yet"
        raise InputError(f"metric {metric!r}: was not measured{closest(metric, measured)}; accepted: {accepted}")


def by_metric(space: SearchSpace, evaluations: Iterable[Evaluation], metric: str) -> list[Evaluation]:
    """The evaluations that have a metric, best first by that alone.

    Metrics that are no objective are minimized, but for those of which more is better for everybody.
    """
    direction = space.objectives.get(metric) or measure(metric).better
    sign = -1 if direction == "maximize" else 1
    having = (evaluation for evaluation in evaluations if metric in evaluation.metrics)
    return sorted(having, key=lambda evaluation: (sign * evaluation.metrics[metric], evaluation.genome))


def find_genome(space: SearchSpace, evaluations: Sequence[Evaluation], genome: str | None) -> Evaluation:
    """The evaluation at its highest rung, `averaged`, of the genome whose id starts with `genome`, or of the best.

    Raises InputError if none or several match.
    """
    if genome is None:
        winners = front(space, evaluations)
        if not winners:
            raise InputError("run: has no finished evaluation yet")
        return winners[0]
    matches = [e for e in evaluations if e.genome.startswith(genome)]
    found = sorted({evaluation.genome for evaluation in matches})
    if len(found) != 1:
        more = ", …" if len(found) > 5 else ""
        some = f"{len(found)} genomes match: {', '.join(found[:5])}{more}" if found else "no genome of this run"
        raise InputError(f"genome {genome!r}: {some}; `hrfevo best` lists the best")
    last = max(matches, key=lambda evaluation: (evaluation.status == "finished", evaluation.rung))
    if last.status != "finished":
        return last
    peers = [e for e in evaluations if (e.status, e.rung) == ("finished", last.rung)]
    return next(e for e in averaged(space, peers) if e.genome == last.genome)


def _peers(space: SearchSpace, evaluations: Sequence[Evaluation]) -> dict[str, Evaluation]:
    """Those of the top rung, `averaged`, by genome, without those that break a bound when they are timed alone."""
    found = averaged(space, top_rung(evaluations))
    return {one.genome: one for one in found if not (one.timings and space.violation(one.metrics))}


def _individuals(space: SearchSpace, evaluations: Iterable[Evaluation]) -> list[Individual]:
    return [
        Individual(
            Genome(evaluation.values),
            Fitness(space.weights, _relied_on(space, evaluation)),
            evaluation.rung,
        )
        for evaluation in evaluations
    ]


def _relied_on(space: SearchSpace, evaluation: Evaluation) -> list[float]:
    """Its objectives, worse by their standard errors."""
    metrics, doubts = evaluation.metrics, evaluation.doubts
    return [metrics[n] - w * doubts.get(n, 0.0) for n, w in zip(space.objectives, space.weights, strict=True)]


def _mean(values: Sequence[float]) -> float:
    """Of equal numbers, as of counts, the number itself."""
    return values[0] if len(set(values)) == 1 else fmean(values)
