"""Where a genome comes from: its ancestors, what each changed, and what that gained."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from hrfevo.results.history import History
from hrfevo.space.search_space import SearchSpace
from hrfevo.store.records import Evaluation


@dataclass(frozen=True)
class Change:
    """A gene that a child has otherwise than a parent; None where one of them has it not."""

    gene: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Descent:
    """From one parent. `gain` is by how much the child is better in the first objective at `rung`, the highest that
    both finished; None where there is none, or the parent is not in the store.

    `before` and `after` are the genes of parent and child; None where the parent is not in the store.
    """

    parent: str
    rung: int | None
    gain: float | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]

    @property
    def known(self) -> bool:
        """Whether the parent is in the store."""
        return self.before is not None

    @property
    def changes(self) -> tuple[Change, ...]:
        """What the child has otherwise; nothing where the parent is not known."""
        return () if self.before is None else tuple(changes(self.before, self.after))


@dataclass(frozen=True)
class Ancestor:
    """A genome of a lineage. `scores` are values of the first objective by rung.

    Birth and generation are None of one that only an earlier run evaluated; `operator` then names it.
    """

    genome: str
    birth: int | None
    generation: int | None
    operator: str
    scores: Mapping[int, float]
    parents: tuple[Descent, ...]

    @property
    def better_first(self) -> list[Descent]:
        """The parents, first the one on which least was gained, so the best; last those that cannot be compared."""
        return sorted(self.parents, key=lambda one: (one.gain is None, one.gain or 0.0, one.parent))


def lineage(history: History, genome: str) -> list[Ancestor]:
    """A genome of the run and all its ancestors in the store, itself first, then the youngest first."""
    first: dict[str, Evaluation] = {}
    measured: dict[str, dict[int, list[float]]] = {}
    space = history.space
    objective, direction = space.first_objective
    for evaluation in history:
        first.setdefault(evaluation.genome, evaluation)
        if evaluation.status == "finished":
            by_rung = measured.setdefault(evaluation.genome, {})
            by_rung.setdefault(evaluation.rung, []).append(evaluation.metrics[objective])
    scores = {one: {rung: fmean(seeds) for rung, seeds in rungs.items()} for one, rungs in measured.items()}
    sign = 1.0 if direction == "maximize" else -1.0

    def descent(child: Evaluation, parent: str) -> Descent:
        if parent not in first:
            return Descent(parent, None, None, None, child.values)
        theirs, own = scores.get(parent, {}), scores.get(child.genome, {})
        rung = max(theirs.keys() & own.keys(), default=None)
        gain = None if rung is None else sign * (own[rung] - theirs[rung])
        return Descent(parent, rung, gain, first[parent].values, child.values)

    found: dict[str, Ancestor] = {}
    waiting = [genome]
    while waiting:
        name = waiting.pop()
        if name in found or name not in first:
            continue
        one = first[name]
        parents = tuple(descent(one, parent) for parent in dict.fromkeys(one.parents))
        birth = one.birth if one.birth >= 0 else None
        generation = None if birth is None else space.generation_of(birth)
        found[name] = Ancestor(name, birth, generation, one.operator, scores.get(name, {}), parents)
        waiting += one.parents
    return sorted(found.values(), key=lambda one: (one.genome != genome, -first[one.genome].birth))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Genes that differ. Layers are matched first, so that one put in before others is one change."""
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if name == "layers":
            yield from _layer_changes(old or [], new or [])
        elif json.dumps(old) != json.dumps(new):  # 1, 1.0 and true are different settings
            yield Change(name, old, new)


def _layer_changes(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> list[Change]:
    """The shorter of two tellings: layer by layer in place, or with layers put in and taken out, one change each."""
    in_place = [("replace", 0, len(before), 0, len(after))]
    texts, others = ([json.dumps(layer, sort_keys=True) for layer in layers] for layers in (before, after))
    moved = difflib.SequenceMatcher(None, texts, others, autojunk=False).get_opcodes()
    return min((list(_told(before, after, codes)) for codes in (in_place, moved)), key=len)


def _told(
    before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]], codes: Sequence[tuple[str, int, int, int, int]]
) -> Iterator[Change]:
    for what, i, j, k, m in codes:
        if what == "equal":
            continue
        old, new = before[i:j], after[k:m]
        paired = min(len(old), len(new))
        for index in range(paired):
            place = f"layers[{k + index}]"
            yield from (Change(f"{place}.{c.gene}", c.before, c.after) for c in changes(old[index], new[index]))
        yield from (Change(f"layers[{i + index}]", old[index], None) for index in range(paired, len(old)))
        yield from (Change(f"layers[{k + index}]", None, new[index]) for index in range(paired, len(new)))


def as_rows(space: SearchSpace, ancestors: Sequence[Ancestor]) -> list[dict[str, Any]]:
    """One row per genome and parent, one for a genome without parents; what changed as a list of Change."""
    rows = []
    for one in ancestors:
        best = max(one.scores, default=None)
        origin: dict[str, Any] = {
            "genome": one.genome,
            "generation": one.generation,
            "birth": one.birth,
            "operator": one.operator,
        }
        origin |= {"score": None if best is None else one.scores[best], "score_steps": steps_to(space, best)}
        for descent in one.parents or (None,):
            told = [vars(change) for change in descent.changes] if descent else []
            rows.append(
                origin
                | {
                    "parent": descent.parent if descent else None,
                    "gain": descent.gain if descent else None,
                    "gain_steps": steps_to(space, descent.rung) if descent else None,
                    "changes": told,
                }
            )
    return rows


def steps_to(space: SearchSpace, rung: int | None) -> int | None:
    """How many steps a training to a rung has; None for none."""
    return None if rung is None else space.rungs[rung]
