"""A lineage laid out as a tree that reads from left to right."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hrfevo.results.genome.lineage import Ancestor, Descent

# Ancestors that are drawn, and how many steps back the line of the better parents goes.
MOST_ANCESTORS, LONGEST_LINE = 24, 100


@dataclass(frozen=True)
class Place:
    """One genome in the tree. `again`: it is drawn elsewhere with its parents already."""

    ancestor: Ancestor
    column: int
    row: int
    child: int | None
    """Index of the place that this one is a parent of; None for the winner."""
    descent: Descent | None
    """Of the child from this one; None for the winner."""
    cut: bool
    """Whether it has parents that are not drawn."""
    again: bool


def tree(lineage: Sequence[Ancestor]) -> list[Place]:
    """The places of a lineage, the winner first: the line of the better parents, and the nearest of the others.

    The better parent goes on in the row of its child, each other one has a row of its own, and a genome that is met a
    second time is drawn again, without its parents.
    """
    known = {ancestor.genome: ancestor for ancestor in lineage}
    winner = lineage[0].genome
    kept = _line(known, winner)
    kept |= dict.fromkeys(_nearest(known, winner)[: max(0, MOST_ANCESTORS - len(kept))])
    columns = _columns([known[genome] for genome in (winner, *kept)])
    places: list[Place] = []
    drawn: set[str] = set()
    rows = 0

    def add(one: Ancestor, row: int, child: int | None, descent: Descent | None) -> None:
        nonlocal rows
        again = one.genome in drawn
        every = [] if again else _parents(one)
        parents = [parent for parent in every if parent.parent in kept]
        drawn.add(one.genome)
        own = len(places)
        places.append(Place(one, columns[one.genome], row, child, descent, len(parents) < len(every), again))
        for index, parent in enumerate(parents):
            if index:
                rows += 1
            add(known[parent.parent], row if index == 0 else rows, own, parent)

    add(lineage[0], 0, None, None)
    return places


def _parents(one: Ancestor) -> list[Descent]:
    return [descent for descent in one.better_first if descent.known]


def _line(known: Mapping[str, Ancestor], genome: str) -> dict[str, None]:
    """The better parent, its better parent, and so on; a store in which parents make a circle ends it."""
    found = {genome: None}
    while len(found) <= LONGEST_LINE and (parents := _parents(known[genome])):
        genome = parents[0].parent
        if genome in found:
            break
        found[genome] = None
    return dict.fromkeys(list(found)[1:])


def _nearest(known: Mapping[str, Ancestor], genome: str) -> list[str]:
    """All ancestors, the nearest first."""
    found, waiting = {genome: None}, deque([genome])
    while waiting:
        for descent in _parents(known[waiting.popleft()]):
            if descent.parent not in found:
                found[descent.parent] = None
                waiting.append(descent.parent)
    return list(found)[1:]


def _columns(ancestors: Sequence[Ancestor]) -> dict[str, int]:
    """A column per generation, or several where parent and child are of one; earlier runs come before the first."""
    generation = {one.genome: -1 if one.generation is None else one.generation for one in ancestors}
    depth: dict[str, int] = {}
    for one in sorted(ancestors, key=lambda one: -1 if one.birth is None else one.birth):
        same = [
            descent.parent
            for descent in _parents(one)
            if descent.parent in depth and generation[descent.parent] == generation[one.genome]
        ]
        depth[one.genome] = max((depth[parent] + 1 for parent in same), default=0)
    keys = sorted({(generation[genome], depth[genome]) for genome in generation})
    place = {key: column for column, key in enumerate(keys)}
    return {genome: place[generation[genome], depth[genome]] for genome in generation}
