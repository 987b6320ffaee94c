"""Which of the waiting jobs may start, and on which worker: some need a machine or a GPU to themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hrfevo.workers.base import Job
from hrfevo.workers.cluster import View

# A part of the cluster: a node, or a node and GPUs of it. None of it is all of the cluster.
Part = tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """A worker that has started, the part of the cluster that it has, and when we heard of it."""

    actor: Any
    where: Part
    since: float

    @property
    def node(self) -> str:
        return self.where[0]

    def is_lost(self, seen: View) -> bool:
        """Whether its node is gone. What was seen before it started says nothing about it."""
        return self.node not in seen.nodes and self.since < seen.at

    def is_in(self, part: Part) -> bool:
        """Whether it has something of that part."""
        return self.where[: len(part)] == part


@dataclass(frozen=True)
class Waiting:
    """A job to start, for the `attempt`-th time; `alone_in` a part where no other may run meanwhile, if not empty.

    Attempts count the workers that it may have killed, this one included.
    """

    job: Job
    attempt: int = 1
    alone_in: Part = ()


@dataclass(frozen=True)
class Task:
    """What runs, and where.

    It `began` by the calendar, which may jump; an answer is due by `deadline` of the monotonic clock.
    """

    what: Waiting
    place: Place
    began: float
    deadline: float


def next_start(
    waiting: Sequence[Waiting], idle: Sequence[Place], running: Iterable[Task]
) -> tuple[int, Part, Place] | None:
    """The first of `waiting` that may start: its index, the part it has to itself, and its place; None if none may.

    One that needs a part for itself keeps others from starting there, and starts when those that run there have ended.
    """
    tasks = list(running)
    places = [*idle, *(task.place for task in tasks)]
    taken = [task.what.alone_in for task in tasks if task.what.alone_in]
    parts = [_part(one, places) for one in waiting]
    kept = [part for part in parts if part]
    for index, part in enumerate(parts):
        if part and any(task.place.is_in(part) for task in tasks):
            continue
        for place in reversed(idle):
            if any(place.is_in(other) for other in taken):
                continue
            if place.is_in(part) if part else not any(place.is_in(other) for other in kept):
                return index, part, place
    return None


def _part(one: Waiting, places: Sequence[Place]) -> Part:
    """The part that a job must have to itself; where no worker is left there, another of the same kind."""
    if not one.alone_in or not places or any(place.is_in(one.alone_in) for place in places):
        return one.alone_in
    return min(place.where[: len(one.alone_in)] for place in places)
