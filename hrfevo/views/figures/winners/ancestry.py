"""Where a genome comes from: its ancestors, laid out as a tree that reads from left to right."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import pandas as pd

from hrfevo.space.search_space import Direction

# Ancestors that are drawn, and how many steps back the line of the better parents goes.
MOST_ANCESTORS, LONGEST_LINE = 24, 100


@dataclass(frozen=True)
class Ancestor:
    """One place in the tree. `again`: the genome is drawn elsewhere with its parents already."""

    genome: str
    generation: int
    operator: str
    column: int
    row: int
    child: int | None
    """Index of the place that this one is a parent of; None for the winner."""
    gain: float | None
    """Change of the first objective from this parent to the child, at the highest rung that both finished."""
    cut: bool
    """Whether it has parents that are not drawn."""
    again: bool


@dataclass(frozen=True)
class Ancestry:
    """The places of a tree, the winner first, and how many ancestors there are in all."""

    places: tuple[Ancestor, ...]
    total: int


class _Lineage:
    """Parents, births and scores of all genomes of a frame."""

    def __init__(self, frame: pd.DataFrame, metric: str, direction: Direction) -> None:
        genomes = frame.drop_duplicates("genome").set_index("genome")
        self.generation = genomes["generation"].to_dict()
        self.operator = genomes["operator"].to_dict()
        self.birth = genomes["birth"].to_dict()
        self._sign = 1 if direction == "minimize" else -1
        self._scores: dict[str, dict[int, float]] = {}
        finished = frame[frame["status"] == "finished"]
        for genome, rung, score in zip(finished["genome"], finished["rung"], finished[metric], strict=True):
            self._scores.setdefault(genome, {})[rung] = score
        self._parents = {
            genome: [parent for parent in dict.fromkeys(parents) if parent in genomes.index]
            for genome, parents in genomes["parents"].items()
        }

    def gain(self, parent: str, child: str) -> float | None:
        """Score of the child less that of the parent, where both were trained equally far."""
        ours, theirs = self._scores.get(child, {}), self._scores.get(parent, {})
        common = ours.keys() & theirs.keys()
        return ours[max(common)] - theirs[max(common)] if common else None

    def parents(self, genome: str) -> list[str]:
        """The better first: that by which the child gained less; those that cannot be compared last."""

        def rank(parent: str) -> tuple[bool, float, str]:
            gain = self.gain(parent, genome)
            return gain is None, 0.0 if gain is None else -self._sign * gain, parent

        return sorted(self._parents.get(genome, []), key=rank)

    def ancestors(self, genome: str) -> list[str]:
        """All of them, the nearest first."""
        found, waiting = {genome: None}, deque([genome])
        while waiting:
            for parent in self.parents(waiting.popleft()):
                if parent not in found:
                    found[parent] = None
                    waiting.append(parent)
        return list(found)[1:]


def ancestry(frame: pd.DataFrame, genome: str, metric: str, direction: Direction) -> Ancestry:
    """The ancestors of a genome: the line of the better parents, and the nearest of the others.

    A tree is drawn: the better parent goes on in the row of its child, each other one has a row of its own, and a
    genome that is met a second time is drawn again, without its parents.
    """
    lineage = _Lineage(frame, metric, direction)
    everyone = lineage.ancestors(genome)
    kept = _line(lineage, genome)
    kept |= dict.fromkeys(everyone[: max(0, MOST_ANCESTORS - len(kept))])
    columns = _columns(lineage, [genome, *kept])
    places: list[Ancestor] = []
    drawn: set[str] = set()
    rows = 0

    def add(one: str, row: int, child: int | None) -> None:
        nonlocal rows
        again = one in drawn
        parents = [] if again else [parent for parent in lineage.parents(one) if parent in kept]
        cut = not again and len(parents) < len(lineage.parents(one))
        drawn.add(one)
        gain = None if child is None else lineage.gain(one, places[child].genome)
        generation, operator = int(lineage.generation[one]), lineage.operator[one]
        places.append(Ancestor(one, generation, operator, columns[one], row, child, gain, cut, again))
        own = len(places) - 1
        for index, parent in enumerate(parents):
            if index:
                rows += 1
            add(parent, row if index == 0 else rows, own)

    add(genome, 0, None)
    return Ancestry(tuple(places), len(everyone))


def _line(lineage: _Lineage, genome: str) -> dict[str, None]:
    """The better parent, its better parent, and so on."""
    found: dict[str, None] = {}
    while len(found) < LONGEST_LINE and (parents := lineage.parents(genome)):
        genome = parents[0]
        found[genome] = None
    return found


def _columns(lineage: _Lineage, genomes: list[str]) -> dict[str, int]:
    """A column per generation, or several where parent and child are of one."""
    depth: dict[str, int] = {}
    for genome in sorted(genomes, key=lambda genome: lineage.birth[genome]):
        same = [
            p for p in lineage.parents(genome) if p in depth and lineage.generation[p] == lineage.generation[genome]
        ]
        depth[genome] = max((depth[parent] + 1 for parent in same), default=0)
    keys = sorted({(lineage.generation[genome], depth[genome]) for genome in genomes})
    place = {key: column for column, key in enumerate(keys)}
    return {genome: place[lineage.generation[genome], depth[genome]] for genome in genomes}
