"""A lineage as a tree of lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from hrfevo.results.genome.lineage import Ancestor, Descent
from hrfevo.space.search_space import SearchSpace
from hrfevo.views.terminal.tables import genes_in_words, number
from signal_model.support.errors import counted


def as_tree(space: SearchSpace, ancestors: Sequence[Ancestor]) -> Tree:
    """A line for each genome: below it its better parent, then that one's, and so on; × begins another parent's line.

    A genome that several descend from is told once.
    """
    known = {ancestor.genome: ancestor for ancestor in ancestors}
    told: set[str] = set()
    waiting: deque[tuple[Tree, Ancestor, Descent]] = deque()

    def tell(start: Tree, ancestor: Ancestor) -> None:
        node = start
        told.add(ancestor.genome)
        while ancestor.parents:
            first, *others = ancestor.better_first
            waiting.extend((node.add(""), ancestor, other) for other in others)
            node = start.add(_label(space, ancestor, first, known, first.parent in told))
            if first.parent in told or not first.known:
                return
            ancestor = known[first.parent]
            told.add(ancestor.genome)

    root = Tree(_about(space, ancestors[0]))
    tell(root, ancestors[0])
    while waiting:
        branch, child, other = waiting.popleft()
        again = other.parent in told
        branch.label = Text("× ") + _label(space, child, other, known, again)
        if other.known and not again:
            tell(branch, known[other.parent])
    return root


def _label(space: SearchSpace, child: Ancestor, descent: Descent, known: Mapping[str, Ancestor], again: bool) -> Text:
    if not descent.known:
        return Text(f"{descent.parent}  not of this run")
    text = Text(f"{descent.parent}  told in its own place") if again else _about(space, known[descent.parent])
    gained = "not measured at the same rung"
    if descent.gain is not None and descent.rung is not None:
        gained = f"{descent.gain:+.4g} after {counted(space.rungs[descent.rung], 'step')}"
    words = "; ".join(f"{c.gene} {_shown(c.before)} → {_shown(c.after)}" for c in descent.changes) or "no gene changed"
    return text.append(f"\n→ {child.genome}: {gained}; {words}", style="dim")


def _about(space: SearchSpace, ancestor: Ancestor) -> Text:
    best = max(ancestor.scores, default=None)
    score = (
        "not finished"
        if best is None
        else f"{number(ancestor.scores[best])} after {counted(space.rungs[best], 'step')}"
    )
    text = Text(ancestor.genome, style="bold")
    born = "" if ancestor.generation is None else f"generation {ancestor.generation}, "
    return text.append(f"  {born}{ancestor.operator}, {score}", style="not bold")


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"[{genes_in_words(value)}]" if isinstance(value, dict) else str(value)
