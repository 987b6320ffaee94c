"""All that is known about one genome: its genes, origin, trainings, standing, relatives and confirmation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hrfevo.results.confirmation.confirmed import Confirmation, Confirmed
from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation
from hrfevo.workers.base import Point


@dataclass(frozen=True)
class Training:
    """One evaluation of the genome. `curve` begins where a training that it continued ended."""

    number: int
    rung: int
    steps: int
    seed: int
    status: str
    reason: str
    metrics: Mapping[str, float]
    device: str
    curve: tuple[Point, ...]


@dataclass(frozen=True)
class Standing:
    """How the genome compares with all that finished at its rung, itself included."""

    rank: int
    """Non-dominated rank: 1 for what nothing there dominates, 2 for what only rank 1 does, …"""
    place: int
    """By the first objective, 1 for the best; equal scores share a place."""
    peers: int
    front: bool
    """On the front of the run, which is rank 1 of the highest rung that any genome reached."""


@dataclass(frozen=True)
class Relative:
    """A parent or a child, with its score in the first objective at the highest rung that it finished.

    Only the name is known of a parent that no run evaluated, no generation of one that only an earlier run did.
    """

    genome: str
    operator: str = ""
    generation: int | None = None
    status: str = ""
    steps: int | None = None
    score: float | None = None


@dataclass(frozen=True)
class Cost:
    """What was measured of it; None where the genome did not come that far."""

    train_seconds: float | None
    """From the first step to the last of its longest training, stations at lower rungs included."""
    parameters: float | None
    flops_per_token: float | None
    """Floating-point operations of a forward pass."""
    state_size: float | None
    """Numbers held while generating."""


@dataclass(frozen=True)
class Card:
    """One genome of a run. `status`, `reason` and `detail` are those of the evaluation that counts: the highest
    rung that it finished, or else the highest that it tried.
    """

    genome: str
    number: int
    """Of that evaluation."""
    genes: Mapping[str, Any]
    status: str
    reason: str
    detail: str
    steps: int
    seed: int
    birth: int
    generation: int
    operator: str
    objectives: tuple[str, ...]
    """Of the run, the first first."""
    fitness: Mapping[str, float]
    """Objective values; empty if it has none."""
    standing: Standing | None
    """None if it has not finished."""
    parents: tuple[Relative, ...]
    children: tuple[Relative, ...]
    trainings: tuple[Training, ...]
    """Lowest rung first."""
    curve: tuple[Point, ...]
    """Training loss from the first step to the last, over all rungs."""
    unit: str
    """What that loss is in."""
    cost: Cost
    confirmed: Confirmed | None
    rivals: Mapping[str, Confirmed]
    """The first choice of each rival that was confirmed beside it, by name."""


def card_of(
    history: History,
    curves: Mapping[int, Sequence[Point]],
    genome: str | None,
    confirmed: Sequence[Confirmed] = (),
    earlier: Sequence[Evaluation] = (),
) -> Card:
    """The card of the genome whose id starts with `genome`, or of the best; parents may be of `earlier` runs.

    Raises InputError if none or several match.
    """
    space, found = history.space, history.find(genome)
    own = sorted((e for e in history if e.genome == found.genome), key=lambda e: (e.rung, e.number))
    children = dict.fromkeys(e.genome for e in history if found.genome in e.parents)
    finished = found.status == "finished"
    return Card(
        genome=found.genome,
        number=found.number,
        genes=found.values,
        status=found.status,
        reason=found.reason,
        detail=found.detail,
        steps=space.rungs[found.rung],
        seed=found.seed,
        birth=found.birth,
        generation=space.generation_of(found.birth),
        operator=found.operator,
        objectives=tuple(space.objectives),
        fitness={name: found.metrics[name] for name in space.objectives} if finished else {},
        standing=_standing(history, found) if finished else None,
        parents=tuple(_relative(history.among([*history, *earlier]), one) for one in dict.fromkeys(found.parents)),
        children=tuple(_relative(history, child) for child in children),
        trainings=tuple(_training(space, evaluation, curves) for evaluation in own),
        curve=_joined([curves.get(e.number, ()) for e in own if e.seed == found.seed]),
        unit=space.measure(space.loss).unit,
        cost=Cost(**{name: found.metrics.get(name) for name in Cost.__dataclass_fields__}),
        confirmed=next((c for c in confirmed if c.origin != "baseline" and c.genome == found.genome), None),
        rivals=Confirmation(tuple(confirmed)).rivals,
    )


def _standing(history: History, found: Evaluation) -> Standing:
    import moocore

    space, peers = history.space, {one.genome: one for one in history.at_rung(found.rung)}
    names = list(peers)
    # Larger is better, whatever the directions.
    values = np.array([[peers[name].metrics[metric] for metric in space.objectives] for name in names]) * space.weights
    own = values[names.index(found.genome)]
    ranks = moocore.pareto_rank(values, maximise=True)
    winners = {winner.genome for winner in history.front}
    return Standing(
        rank=int(ranks[names.index(found.genome)]) + 1,
        place=int((values[:, 0] > own[0]).sum()) + 1,
        peers=len(peers),
        front=found.genome in winners,
    )


def _relative(history: History, genome: str) -> Relative:
    own = history.among(one for one in history if one.genome == genome)
    if not own:
        return Relative(genome)
    space, best = history.space, own.find(genome)
    return Relative(
        genome,
        best.operator,
        space.generation_of(best.birth) if best.birth >= 0 else None,
        best.status,
        space.rungs[best.rung],
        best.metrics[space.first_objective[0]] if best.status == "finished" else None,
    )


def _training(space: SearchSpace, evaluation: Evaluation, curves: Mapping[int, Sequence[Point]]) -> Training:
    return Training(
        evaluation.number,
        evaluation.rung,
        space.rungs[evaluation.rung],
        evaluation.seed,
        evaluation.status,
        evaluation.reason,
        evaluation.metrics,
        evaluation.device,
        tuple(curves.get(evaluation.number, ())),
    )


def _joined(curves: Sequence[Sequence[Point]]) -> tuple[Point, ...]:
    """Curves of rising rungs as one. A training that could not continue the one below it began again, and counts."""
    joined: list[Point] = []
    for curve in curves:
        if curve:
            joined = [point for point in joined if point.step < curve[0].step]
        joined += curve
    return tuple(joined)
