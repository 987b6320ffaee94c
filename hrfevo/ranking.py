"""Who won, read from the store: the front and the best of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hrfevo.genome import Genome
from hrfevo.individual import Fitness, Individual, best_first, non_dominated
from hrfevo.space import PROBED, SearchSpace
from hrfevo.store import Evaluation
from signal_model.errors import InputError, closest


def top_rung(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Finished evaluations of the highest rung that any finished."""
    finished = [evaluation for evaluation in evaluations if evaluation.status == "finished"]
    highest = max((evaluation.rung for evaluation in finished), default=0)
    return [evaluation for evaluation in finished if evaluation.rung == highest]


def front(space: SearchSpace, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Non-dominated evaluations of the top rung, best first objective first."""
    peers = {evaluation.genome: evaluation for evaluation in top_rung(evaluations)}
    return [peers[individual.genome.id] for individual in non_dominated(_individuals(space, peers.values()))]


def ranked(space: SearchSpace, evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
    """The best `count` of the top rung: the front by first objective, then the rest as NSGA-II ranks them."""
    peers = {evaluation.genome: evaluation for evaluation in top_rung(evaluations)}
    first = front(space, evaluations)
    by_rank = best_first(_individuals(space, peers.values()), len(peers))
    rest = [peers[individual.genome.id] for individual in by_rank if peers[individual.genome.id] not in first]
    return (first + rest)[:count]


def at_rung(space: SearchSpace, evaluations: Sequence[Evaluation], rung: int | None) -> list[Evaluation]:
    """Finished evaluations of a rung, of the top one for None, one per genome. Raises InputError for no rung of it."""
    if rung is None:
        found = top_rung(evaluations)
    elif rung < len(space.rungs):
        found = [e for e in evaluations if e.status == "finished" and e.rung == rung]
    else:
        accepted = ", ".join(f"{number} ({steps:,} steps)" for number, steps in enumerate(space.rungs))
        raise InputError(f"rung {rung}: is none of this run; accepted: {accepted}")
    return list({evaluation.genome: evaluation for evaluation in found}.values())


def check_metric(evaluations: Iterable[Evaluation], metric: str) -> None:
    """Raise InputError unless one of the evaluations has this metric."""
    measured = {name for evaluation in evaluations for name in evaluation.metrics}
    if metric not in measured:
        accepted = ", ".join(sorted(measured)) or "none yet"
        raise InputError(f"metric {metric!r}: was not measured{closest(metric, measured)}; accepted: {accepted}")


def by_metric(space: SearchSpace, evaluations: Iterable[Evaluation], metric: str) -> list[Evaluation]:
    """The evaluations that have a metric, best first by that alone.

    Metrics that are no objective are minimized, shares of right answers maximized.
    """
    direction = {str(name): way for name, way in space.objectives.items()}.get(metric)
    sign = -1 if direction == "maximize" or (direction is None and metric in PROBED) else 1
    having = (evaluation for evaluation in evaluations if metric in evaluation.metrics)
    return sorted(having, key=lambda evaluation: (sign * evaluation.metrics[metric], evaluation.genome))


def find_genome(space: SearchSpace, evaluations: Sequence[Evaluation], genome: str | None) -> Evaluation:
    """The evaluation at its highest rung of the genome whose id starts with `genome`, or of the best.

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
    return max(matches, key=lambda evaluation: (evaluation.status == "finished", evaluation.rung))


def _individuals(space: SearchSpace, evaluations: Iterable[Evaluation]) -> list[Individual]:
    return [
        Individual(
            Genome(evaluation.values),
            Fitness(space.weights, [evaluation.metrics[name] for name in space.objectives]),
            evaluation.rung,
        )
        for evaluation in evaluations
    ]
